"""Move OpenMMLab training to Ascend NPUs by a few lines of config; importing this loads neither torch nor ``_C``."""

__version__ = "0.1.0"
