"""An access policy that somebody proposes: read, and asked what it would have decided, in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from policies import confined
from policies.access import Action, Purpose, checked_access
from policies.decisions import Change, Replay, replay
from policies.errors import InputError
from policies.events import Entry, Event

LARGEST = 200_000  # bytes
_CPU_S = 60  # for some 50,000 decisions
_OF_NO_RULE = {"patient", "policy"}  # a decision does not rest on them


def replay_proposed(text: str, entries: Iterable[Entry]) -> Replay:
    """What a proposed access policy would have decided, as `policies.decisions.replay`.

    Raises:
        InputError: it is too large, the schema does not accept it (every line is named), or it takes too long.
    """
    if not 0 < len(text.encode()) <= LARGEST:
        raise InputError(f"{len(text.encode())} bytes are no access policy", f"Give a text of up to {LARGEST} bytes.")
    decided = [
        (one.actor, one.event, {name: value for name, value in one.details.items() if name not in _OF_NO_RULE})
        for one in entries
    ]
    found = confined.ask(
        __name__, json.dumps([text, decided]).encode(), hint="Propose fewer or simpler rules.", cpu_s=_CPU_S
    )
    changes = {
        Change(actor, Action(action), Purpose(purpose), permitted, tuple(before), tuple(after)): times
        for actor, action, purpose, permitted, before, after, times in found["changes"]
    }
    return Replay(found["decisions"], found["left_out"], changes)


def _decide(data: bytes) -> dict[str, Any]:
    """In the child."""
    text, decided = json.loads(data)
    access = checked_access(text, "the proposed policy")
    entries = (Entry(0, "", actor, "", 0, Event(event), details) for actor, event, details in decided)
    found = replay(entries, access)
    changes = [
        (one.actor, one.action, one.purpose, one.permitted, one.before, one.after, times)
        for one, times in found.changes.items()
    ]
    return {"decisions": found.decisions, "left_out": found.left_out, "changes": changes}


if __name__ == "__main__":
    confined.serve(_decide, _CPU_S)
