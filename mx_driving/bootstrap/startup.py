"""The texts of the start-up files; data only, read by the build and by ``bootstrap enable|disable``."""

_COMMENT = "# mx_driving: idle unless MX_DRIVING_MMCV_VERSION is set or `mx-driving bootstrap enable` was called\n"

# An exception in a .pth line is printed at every interpreter start, hence the `try`: the starter may be gone.
_RUN = 'exec("try:\\n import _mx_driving_bootstrap\\n _mx_driving_bootstrap.start()\\nexcept Exception:\\n pass")'

# Most of the price of a .pth line is its compilation, so while off it holds one test and the rest as a string.
PTH_OFF = f'{_COMMENT}import os; "MX_DRIVING_MMCV_VERSION" in os.environ and {_RUN}\n'
PTH_ON = f"{_COMMENT}import os; {_RUN}\n"

# PEP 829, Python 3.15+: one `module:callable` a line. It names the copied module, not mx_driving, so that deleting the
# package directory leaves nothing that could fail and print.
START = f"{_COMMENT}_mx_driving_bootstrap:start\n"

PTH_NAME = "mx_driving_bootstrap.pth"
START_NAME = "mx_driving_bootstrap.start"
SETTINGS_NAME = "mx_driving_bootstrap.settings"
STARTER_NAME = "_mx_driving_bootstrap.py"
