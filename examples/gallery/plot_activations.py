"""
Activations and their slopes
============================

Every activation of the core, with the slope that backpropagation multiplies by.
"""

import nablas as nb

display = nb.plots.ActivationDisplay.from_names()
