"""The patch engine: declarative patches, applied whatever was imported first, and taken back exactly."""

from mx_driving._core.engine import PatchSet
from mx_driving._core.errors import PatchError, PatchSkipped, UnknownPatchError, unknown
from mx_driving._core.patch import ANYWHERE, Effect, Patch, Provide, Replace
from mx_driving._core.report import APPLIED, FAILED, SKIPPED, WAITING, Outcome, Report

__all__ = [
    "ANYWHERE",
    "APPLIED",
    "FAILED",
    "SKIPPED",
    "WAITING",
    "Effect",
    "Outcome",
    "Patch",
    "PatchError",
    "PatchSet",
    "PatchSkipped",
    "Provide",
    "Replace",
    "Report",
    "UnknownPatchError",
    "unknown",
]
