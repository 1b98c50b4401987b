"""`python -m tests.gpu`: what `make gpu` runs."""

import sys

from tests.gpu.run import main

sys.exit(main())
