"""Mutants: small changes of the code that the quick tests of their floor must notice.

``python tests/mutation cpp --count 120 --seed 0`` and ``python tests/mutation python --count 60``. Mutants are generated from the
code as it is. Each is made in a copy of the project in a temporary folder; results go to a file, so a stopped run goes on.
"""
