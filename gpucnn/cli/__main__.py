"""`python -m gpucnn.cli` is the command `gpucnn`."""

import sys

from gpucnn.cli import main

sys.exit(main())
