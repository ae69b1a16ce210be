"""The patch engine: declarative patches, applied whatever was imported first, and taken back exactly."""

from mx_driving._core.engine import PatchSet
from mx_driving._core.errors import PatchError, PatchSkipped, UnknownPatchError, unknown_name
from mx_driving._core.override import override
from mx_driving._core.record import ANYWHERE, Effect, PatchRecord, Provide, Replace
from mx_driving._core.report import APPLIED, FAILED, SKIPPED, WAITING, Outcome, Report

__all__ = [
    "ANYWHERE",
    "APPLIED",
    "FAILED",
    "SKIPPED",
    "WAITING",
    "Effect",
    "Outcome",
    "PatchError",
    "PatchRecord",
    "PatchSet",
    "PatchSkipped",
    "Provide",
    "Replace",
    "Report",
    "UnknownPatchError",
    "override",
    "unknown_name",
]
