"""Benchmarks of nablas beside its peers: ``python -m benchmarks --help``.

Each contender lives in a process of its own (`worker.py`) and they take turns, so that no library's threads disturb
another's. An answer is checked against the NumPy reference before it is timed. Medians, spreads and ratios go to the
screen, and with ``--out`` to JSON, Markdown and PNG.
"""
