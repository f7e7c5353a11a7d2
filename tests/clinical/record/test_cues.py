"""Each row of the tables does in its example what it says, and not in its counter-example."""

from __future__ import annotations

from typing import Any

import pytest

from clinical.record.cues import cues_in
from clinical.record.loops import open_loops
from clinical.record.medications import medications
from policies.files import table_of
from tests.clinical.record.told import told

ROWS = table_of("clinical", "tables/record")


def changes(sentence: str) -> list[str]:
    notes = told(
        "Medications: amoxicillin, metoprolol, aspirin, lisinopril.", sentence.replace("[", "").replace("]", "")
    )
    name = sentence[sentence.index("[") + 1 : sentence.index("]")].lower()
    return [own.change for own in medications(notes) if own.concept == name and own.by == "words"]


@pytest.mark.parametrize("row", ROWS["change"], ids=lambda row: f"{row['says']} {row['direction']}")
def test_a_change_is_read_in_its_example_alone(row: dict[str, Any]) -> None:
    assert changes(row["example"]) == [row["says"]]
    assert row["says"] not in changes(row["counter"])


@pytest.mark.parametrize("row", ROWS["loop"], ids=lambda row: row["says"])
def test_a_loop_is_opened_by_its_example_alone(row: dict[str, Any]) -> None:
    plain = row["example"].replace("[", "").replace("]", "")
    cue = row["example"][row["example"].index("[") + 1 : row["example"].index("]")]
    assert row["says"] in [own.kind for own in open_loops(told(plain))]
    assert row["says"] not in [own.kind for own in open_loops(told(row["counter"]))]
    assert cue in [plain[own.start : own.end] for own in cues_in("loop", plain, 0, len(plain))]
