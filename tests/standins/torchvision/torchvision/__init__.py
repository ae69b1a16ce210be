"""Import-only stand-in, for test environments where PyPI's torchvision does not load beside a CPU build of torch.

mmcv 1.x imports torchvision with its runner and asks it for nothing but its version and the addresses of pretrained
weights. A model that really uses torchvision fails here with an AttributeError, as it should.
"""

from torchvision import models

__all__ = ["models"]
__version__ = "0.28.0+standin"
