"""Benchmarks of nablas against other libraries: ``python -m benchmarks --help``.

Each contender has its own process (`worker.py`), and only one runs at a time, so that no library's
threads disturb another's. A contender's answer is checked against the NumPy reference before the
contender is timed. Medians, spreads and ratios are printed, with ``--out`` written as JSON, Markdown
and PNG, and with ``--json`` kept for the pages (`page.py`).
"""
