"""`python -m editalk`."""

import sys

from editalk.cli import main

sys.exit(main())
