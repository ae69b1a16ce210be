"""The texts of the start-up files; data only, read by the build and by ``bootstrap enable|disable``."""

_COMMENT = (
    "# mx_driving: idle unless MX_DRIVING_MMCV_VERSION is set, `mx-driving bootstrap enable` was called, or an mmcv "
    "without its operators asks for mmcv._ext\n"
)

# Stock scripts import mmcv.ops before they read a config. Last on the path, so that it is asked for a module only when
# nobody has it; written out and short, since no file is read for it and its compilation is its price.
_EXT = (
    'sys.meta_path.append(type(sys.implementation)(find_spec=lambda name, *_: name == "mmcv._ext" and '
    '__import__("_mx_driving_bootstrap").find_ext() or None))'
)

# An exception in a .pth line is printed at every interpreter start, hence the `try`: the starter may be gone.
_RUN = 'exec("try:\\n import _mx_driving_bootstrap\\n _mx_driving_bootstrap.start()\\nexcept Exception:\\n pass")'

# Most of the price of a .pth line is its compilation, so while off it holds one test and the rest as a string.
PTH_OFF = f'{_COMMENT}import os, sys; {_EXT}; "MX_DRIVING_MMCV_VERSION" in os.environ and {_RUN}\n'
PTH_ON = f"{_COMMENT}import os, sys; {_EXT}; {_RUN}\n"

# PEP 829, Python 3.15+: one `module:callable` a line. It names the copied module, not mx_driving, so that deleting the
# package directory leaves nothing that could fail and print.
START = f"{_COMMENT}_mx_driving_bootstrap:start\n_mx_driving_bootstrap:offer_ext\n"

PTH_NAME = "mx_driving_bootstrap.pth"
START_NAME = "mx_driving_bootstrap.start"
SETTINGS_NAME = "mx_driving_bootstrap.settings"
STARTER_NAME = "_mx_driving_bootstrap.py"
