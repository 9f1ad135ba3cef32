"""`python -m gpucnn`: the command line, where the command `gpucnn` is not installed."""

import sys

from gpucnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
