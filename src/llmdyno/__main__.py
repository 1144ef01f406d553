"""``python -m llmdyno``: the command line."""

import sys

from llmdyno.cli import main

sys.exit(main())
