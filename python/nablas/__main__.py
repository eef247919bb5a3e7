"""``python -m nablas``."""

import sys

from .cli import main

sys.exit(main())
