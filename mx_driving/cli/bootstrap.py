"""``mx-driving bootstrap``: switch the mmcv version shim for this environment."""

from mx_driving.bootstrap.__main__ import add_arguments, run

__all__ = ["HELP", "add_arguments", "run"]

HELP = "solve the mmcv version conflict at interpreter start: enable, disable, status"
