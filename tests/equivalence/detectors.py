"""The detectors of mmdet and mmdet3d, from the configs that the packages ship: found, shrunk, built, called.

Works on both lines: mmdet 3.x and mmdet3d 1.1+ on mmengine, mmdet 2.x and mmdet3d 0.x-1.0 on mmcv 1.x.
"""

from __future__ import annotations

import copy
import importlib
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Sequence, Set, Tuple

import torch
from torch import Tensor, nn

from equivalence.case import Case
from mx_driving._core import PatchRecord
from mx_driving._core.resolve import instances
from mx_driving._core.versions import installed_version, unmet
from mx_driving.patches import load_all

PACKAGES = ("mmdet", "mmdet3d")
IMAGE = (2, 3, 96, 128)
"""Two small images: batch norms need two values for a channel at the deepest level."""

Part = Tuple[str, str]
"""Where a component stands in the detector's config, and its type: ``("neck", "FPN")``."""


def on_mmengine() -> bool:
    """Tell which line is installed."""
    version = installed_version("mmdet")
    return version is not None and version.major >= 3


def line() -> str:
    """Return the packages of this line, such as ``"mmdet 3.3.0, mmdet3d 1.4.0"``."""
    return ", ".join(f"{package} {installed_version(package)}" for package in PACKAGES)


def records() -> Tuple[PatchRecord, ...]:
    """Return the patches of detectors: those that name the classes they reach and work on a CPU."""
    return tuple(
        record
        for record in load_all()
        if record.reaches and "cpu" in record.devices and record.default and not unmet(record.requires)
    )


def root_of(package: str) -> Path:
    """Return the folder of a package's configs."""
    return Path(importlib.import_module(package).__file__ or "").parent / ".mim" / "configs"


def config_names() -> Iterator[str]:
    """Yield ``"package/folder/file.py"`` of every config that describes a detector, bases left out."""
    for package in PACKAGES:
        root = root_of(package)
        for path in sorted(root.rglob("*.py")):
            if "_base_" not in path.parts:
                yield f"{package}/{path.relative_to(root)}"


def _config() -> Any:
    return importlib.import_module("mmengine.config" if on_mmengine() else "mmcv")


def load(name: str) -> Dict[str, Any]:
    """Return the detector's part of a config, a plain dictionary; empty if it has none or cannot be read."""
    package, _, path = name.partition("/")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = _config().Config.fromfile(str(root_of(package) / path)).get("model", {})
    except (FileNotFoundError, ImportError, KeyError):  # bases of other repositories, data that is not shipped
        return {}
    made = model.to_dict() if hasattr(model, "to_dict") else copy.deepcopy(dict(model))
    if on_mmengine() and made.get("type") not in _registered(package):
        return made.get("detector", {})  # trackers and teachers hold their detector
    return made


def _registered(package: str) -> Sequence[str]:
    registry = importlib.import_module(f"{package}.registry").MODELS
    importlib.import_module(f"{package}.models")
    return [name for name, cls in registry.module_dict.items() if hasattr(cls, "extract_feat")]


SLOTS = ("backbone", "neck", "head", "encoder", "decoder", "transformer", "extractor", "middle")


def parts(model: Dict[str, Any]) -> Set[Tuple[str, ...]]:
    """Return what tells two detectors apart: the components with their types, and whether they are deformable."""
    found: Set[Tuple[str, ...]] = set()

    def walk(value: Any, slot: str) -> None:
        if isinstance(value, dict):
            if any(word in slot for word in SLOTS) and "type" in value:
                deep = value.get("depth", 50)
                kind = "basic" if isinstance(deep, int) and deep < 50 else ""
                flags = [key for key in ("dcn", "dcn_on_last_conv", "plugins", "with_cp") if value.get(key)]
                found.add((slot, str(value["type"]), kind, *flags))
            for key, item in value.items():
                walk(item, key)
        elif isinstance(value, (list, tuple)):
            for item in value:
                walk(item, slot)

    walk(model, "model")
    return found


PRETRAINED = ("init_cfg", "pretrained", "teacher_ckpt")
SMALL = {"num_queries": 20, "num_query": 20, "num_proposals": 20, "num_dn_queries": 5}


def shrunk(value: Any) -> Any:
    """Return a config without pretrained weights, of the least depth of its kind, with few queries."""
    if isinstance(value, (list, tuple)):
        return type(value)(shrunk(item) for item in value)
    if not isinstance(value, dict):
        return value
    made = {key: shrunk(item) for key, item in value.items() if key not in PRETRAINED}
    if made.get("depth") in (101, 152, 200):
        made["depth"] = 50
    made.update({key: small for key, small in SMALL.items() if key in made})
    return made


def build(name: str) -> nn.Module:
    """Return the shrunk detector of a config, with random weights."""
    package, _, _ = name.partition("/")
    model = _config().ConfigDict(shrunk(load(name)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module(f"{package}.models")
        if not on_mmengine():
            builder = importlib.import_module(f"{package}.models")
            return (builder.build_model if package == "mmdet3d" else builder.build_detector)(model)
        importlib.import_module("mmengine.registry").init_default_scope(package)
        return importlib.import_module(f"{package}.registry").MODELS.build(model)


def reached(module: nn.Module) -> Dict[str, int]:
    """Return how many parts of a module each patch reaches, by the patch's name."""
    counts = {record.name: sum(instances(record, module.modules()).values()) for record in records()}
    return {name: count for name, count in counts.items() if count}


def components(model: nn.Module) -> Dict[Part, Dict[str, int]]:
    """Return the detector's components that patches reach: its children and those of its composite heads."""
    children = [(name, child) for name, child in model.named_children()]
    children += [(name, part) for _, child in children for name, part in child.named_children()]
    found: Dict[Part, Dict[str, int]] = {}
    for slot, child in children:
        if any(word in slot for word in SLOTS):
            hit = reached(child)
            if hit:
                found.setdefault((slot, type(child).__name__), hit)
    return found


def _copies(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """Return a builder that builds once: initialising takes longer than running."""
    built: List[nn.Module] = []

    def copied() -> nn.Module:
        if not built:
            built.append(make())
        return copy.deepcopy(built[0])

    return copied


def images() -> Tuple[Tensor]:
    """Return the call's input."""
    return (torch.randn(IMAGE),)


def whole(name: str) -> Case:
    """Return the detector as a case: its raw outputs, before any loss or post-processing."""
    call = _forward_mmengine if on_mmengine() else _forward_mmcv1
    return Case(_copies(lambda: build(name)), images, call)


def features(name: str) -> Case:
    """Return the detector's image backbone and neck as a case, for what needs more than images."""

    class Features(nn.Module):
        """Backbone and neck."""

        def __init__(self) -> None:
            super().__init__()
            model = build(name)
            self.backbone = getattr(model, "img_backbone", None) or model.backbone
            neck = getattr(model, "img_neck", None) or getattr(model, "neck", None)
            self.neck = neck if isinstance(neck, nn.Module) else nn.Identity()

        def forward(self, x: Tensor) -> Any:
            """Return the neck's features."""
            return self.neck(self.backbone(x))

    return Case(_copies(Features), images)


def _meta() -> Dict[str, Any]:
    size = tuple(IMAGE[2:])
    return {
        "img_shape": size,
        "ori_shape": size,
        "pad_shape": size,
        "batch_input_shape": size,
        "scale_factor": (1.0, 1.0),
        "cam2img": [[100.0, 0.0, 64.0, 0.0], [0.0, 100.0, 48.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]],
    }


def _samples(kind: Callable[..., Any]) -> List[Any]:
    data = importlib.import_module("mmengine.structures").InstanceData
    boxes = torch.tensor([[8.0, 8.0, 60.0, 70.0], [40.0, 20.0, 120.0, 90.0]])
    truth = data(bboxes=boxes, labels=torch.tensor([0, 1]))
    return [kind(metainfo=_meta(), gt_instances=truth) for _ in range(IMAGE[0])]


def _forward_mmengine(model: nn.Module, x: Tensor) -> Any:
    structures = type(model).__module__.partition(".")[0] + ".structures"
    module = importlib.import_module(structures)
    if structures.startswith("mmdet3d"):
        return model({"imgs": x}, _samples(module.Det3DDataSample), mode="tensor")
    return model(x, _samples(module.DetDataSample), mode="tensor")


def _forward_mmcv1(model: nn.Module, x: Tensor) -> Any:
    return model.forward_dummy(x)


@dataclass(frozen=True)
class Found:
    """A config that brings a component, or a patch to a component, that no config before it brought.

    Args:
        name: the config's.
        components: what patches reach in it.
        problem: why it could not be built, empty if it could.
    """

    name: str
    components: Dict[Part, Dict[str, int]]
    problem: str = ""


def distinct(names: Iterable[str]) -> Iterator[Found]:
    """Walk the configs in their order and yield those that bring something new, or cannot be built."""
    known: Set[Tuple[str, ...]] = set()
    seen: Counter = Counter()
    for name in names:
        model = load(name)
        fresh = parts(model) - known
        if not fresh:
            continue
        try:
            found = components(build(name))
        except Exception as exc:  # noqa: BLE001 - the zoo's own configs may need what is not installed
            yield Found(name, {}, f"{type(exc).__name__}: {(str(exc).splitlines() or [''])[0]}")
            continue
        known |= fresh
        pairs = {(*part, patch) for part, hit in found.items() for patch in hit}
        if any(not seen[pair] for pair in pairs):
            seen.update(pairs)
            yield Found(name, found)
