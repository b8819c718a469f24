"""``python -m mongo_sessions``: the command ``mongo-sessions``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
