"""``python -m mx_driving.cli``: the same as the ``mx-driving`` command."""

import sys

from mx_driving.cli import main

sys.exit(main())
