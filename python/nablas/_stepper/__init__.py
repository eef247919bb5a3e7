"""Computations shown one number after another, on one page of HTML.

`page` has the steps and the page, `layout` the places of what it shows, `formulas` the expressions
of activations and losses, `passes` the steps of a network's forward and backward pass. The steps of
an automatic differentiation are in ``nablas.autograd.graph_steps``.
"""
