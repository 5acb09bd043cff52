"""`python -m dreamforge.cli`."""

import sys

from dreamforge.cli import main

sys.exit(main())
