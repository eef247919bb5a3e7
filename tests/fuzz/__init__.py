"""Damaged files: models, CSV, Parquet and NPZ tables. Each gives a result or an error that names the file.

``python tests/fuzz model --attempts 1000000`` and so on; files are written to a temporary folder.
"""
