"""Does a patch change speed and nothing else? Runs stock and patched code in one process and compares all that shows.

    test_exact = agreement(("resnet_add_relu",), build=my_module, inputs=my_inputs)

is a test for each mode of :data:`MODES`. Nothing here knows a patch: your own records go in as well as names of ours.
"""

from equivalence.case import Case
from equivalence.harness import agreement, check
from equivalence.modes import MODES

__all__ = ["MODES", "Case", "agreement", "check"]
