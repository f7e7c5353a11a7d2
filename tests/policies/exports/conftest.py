"""Entries to export: one of each event, in two months, by three accounts."""

from __future__ import annotations

import pytest

from policies.events import Entry, Event

PATIENT = "0f3c51d2a7b84e6690c1d2e3f4a5b6c7"


def entry(sequence: int, event: Event, actor: str = "alice", time: str = "2026-03-04", **details: object) -> Entry:
    return Entry(sequence, f"{time}T10:00:00.000000+00:00", actor, "ab" * 8, sequence, event, details)


@pytest.fixture
def every() -> list[tuple[str, Entry]]:
    details = {"patient": PATIENT, "purpose": "TREAT", "record": "d1", "counts": {"mentions": 3}, "policy": "f" * 64}
    return [("north", entry(number, event, **details)) for number, event in enumerate(Event)]
