"""Hostile calls: every public callable with generated arguments that are odd in kind, shape, layout, dtype or content.

``python tests/hostile`` runs them in child processes and prints what was wrong: a crash, a hang, an
exception that names no argument, or a result other than the reference's on a clean copy of the arguments.
"""
