"""The catalogue as text: the tables of the READMEs and docs, and what the installed versions make of each patch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Tuple

from mx_driving._core import Effect, PatchRecord
from mx_driving._core.versions import unmet

HEADERS = {
    "en": ("name", "what it replaces", "needs"),
    "zh": ("名称", "替换的内容", "需要"),
}
ONLY_ON = {"en": "only on {}", "zh": "只在 {} 上生效"}


def needs(patch: PatchRecord, language: str = "en") -> str:
    """Return a patch's version ranges and, where it is for NPUs alone, that."""
    ranges = [f"`{text}`" for text in patch.requires]
    if patch.devices == ("npu",):
        ranges.append(ONLY_ON[language].format("NPU"))
    return ", ".join(ranges) or "-"


def short(patches: Iterable[PatchRecord], language: str = "en") -> str:
    """Return the READMEs' table in Markdown.

    Args:
        patches: in the order of the rows.
        language: ``"en"`` or ``"zh"``.
    """
    rows = [
        (f"`{patch.name}`", patch.what_zh if language == "zh" else patch.what, needs(patch, language))
        for patch in patches
    ]
    return _markdown(HEADERS[language], rows)


def full(patches: Iterable[PatchRecord]) -> str:
    """Return the table of docs/patches.md: a section for each patch, with its targets and its reasons."""
    sections = []
    for patch in patches:
        places = "".join(f"  - `{path}`\n" for path in paths(patch))
        sections.append(
            f"## `{patch.name}`\n\n{_sentence(patch.what)}\n\n"
            f"- needs: {needs(patch)}\n- why: {patch.why}\n- upstream: {patch.upstream}\n"
            f"- can go when: {patch.remove_when}\n- places:\n{places}"
        )
    return "\n".join(sections)


def paths(patch: PatchRecord) -> List[str]:
    """Return the places that a patch changes, each once."""
    return list(dict.fromkeys(target.path for target in patch.targets))


@dataclass(frozen=True)
class Prospect:
    """What would become of a patch here.

    Args:
        patch: the record.
        reason: why it would be skipped; empty if it would be applied.
    """

    patch: PatchRecord
    reason: str

    def as_dict(self) -> Dict[str, Any]:
        """Return plain data for JSON."""
        patch = self.patch
        return {
            "name": patch.name,
            "would": "skip" if self.reason else "apply",
            "reason": self.reason,
            "what": patch.what,
            "targets": paths(patch),
            "requires": list(patch.requires),
            "devices": list(patch.devices),
            "default": patch.default,
            "why": patch.why,
            "upstream": patch.upstream,
            "remove_when": patch.remove_when,
        }


def prospect(patch: PatchRecord, device: str) -> Prospect:
    """Say what would become of a patch with the installed versions; no target's package is imported.

    Args:
        patch: the record.
        device: ``npu``, ``cpu``, ``cuda`` or ``mps``.
    """
    reason = unmet(patch.requires)
    if reason is None and device not in patch.devices:
        reason = f"only on {' and '.join(patch.devices)}"
    if reason is None:
        lacking = [unmet(target.requires) for target in patch.targets if not isinstance(target, Effect)]
        reason = lacking[0] if lacking and all(lacking) else None
    return Prospect(patch, reason or patch.why_off(device))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else "-"


def _markdown(header: Tuple[str, ...], rows: Iterable[Tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, *rows)]
    return "\n".join([lines[0], "|---" * len(header) + "|", *lines[1:]]) + "\n"
