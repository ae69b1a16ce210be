"""The one exception of this package: its text is the line that the user reads."""

from __future__ import annotations


class EmulatorError(RuntimeError):
    """The emulator cannot be built or started; the message says what was expected, what came and what to do."""
