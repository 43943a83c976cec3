"""`python -m nbturns` is the command `nbturns`."""

import sys

from .cli import main

sys.exit(main())
