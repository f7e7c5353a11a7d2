"""The policy file as it says, section by section, and what was changed in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

from dashboard.view.logged import logged
from policies.decisions import people_warnings
from policies.events import Event
from policies.guard import Guard, Site
from policies.policy import odd_values
from policies.wording import to_the_minute
from policies.workspace import Workspace

_HEADER = re.compile(r"^\[\s*([\w-]+)[^\]]*\]", re.MULTILINE)
_WHOLE = "whole file"


@dataclass(frozen=True)
class Section:
    """One section of the file, word for word, with those below it."""

    name: str
    text: str


def sections(workspace: Workspace) -> list[Section]:
    """The whole policy file, then its sections in their order."""
    text = workspace.policy.read_text("utf-8")
    headers = [(found.start(), found[1]) for found in _HEADER.finditer(text)]
    cuts = [(start, name) for name, group in groupby(headers, itemgetter(1)) for start, _ in islice(group, 1)]
    ends = [start for start, _ in cuts[1:]] + [len(text)]
    cut = [Section(name, text[start:end]) for (start, name), end in zip(cuts, ends, strict=True)]
    return [Section(_WHOLE, text), *cut]


def warnings(guard: Guard) -> list[str]:
    """What the file may hold and nobody is likely to want, in sentences."""
    return [*people_warnings(guard.policy, guard.access), *odd_values(guard.policy)]


def history(site: Site) -> list[dict[str, Any]]:
    """Every key that was changed, the newest first; the log keeps the old and the new value."""
    return [
        {
            "When (UTC)": to_the_minute(entry.time),
            "Noticed by": entry.actor,
            "Policy": entry.details["policy"][:16],
            "Key": change["key"],
            "Before": change["old"] or "",
            "After": change["new"] or "",
        }
        for entry in reversed(logged(site, Event.POLICY_CHANGED))
        for change in entry.details["changes"]
        if entry.details["policy_before"]  # the first policy changes every key
    ]
