"""Write the demo model's initial weights: on a device its random stream would give others than on the CPU.

``initial_weights.py config.py weights.pth``
"""

from __future__ import annotations

import sys

import torch
from mmdet3d.registry import MODELS
from mmdet3d.utils import register_all_modules
from mmengine.config import Config

register_all_modules()
torch.manual_seed(0)
model = MODELS.build(Config.fromfile(sys.argv[1]).model)
model.init_weights()
torch.save({"state_dict": model.state_dict(), "meta": {}}, sys.argv[2])
