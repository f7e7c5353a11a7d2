"""The draw: stratified, repeatable, and fair within a stratum."""

from __future__ import annotations

from collections import Counter

import pytest

from clinical.drawing import draw_notes
from clinical.released import ReleasedNote
from policies.errors import InputError


def notes(count, kind="k", text="short"):
    return [ReleasedNote(f"{kind}.ndjson", n, kind, text) for n in range(count)]


def test_kind_length_and_replacements_make_the_strata():
    made = [*notes(90), *notes(10, "rare"), *notes(40, "long", "x" * 5000), *notes(30, "busy", "[NAME] " * 12)]
    sample, drawn = draw_notes(made, 40, "s")
    assert [(s.name, s.notes) for s in sample.strata] == [
        ("busy, under 1,000 characters, 10 and more replaced", 30),
        ("k, under 1,000 characters, nothing replaced", 90),
        ("long, 4,000 and more, nothing replaced", 40),
        ("rare, under 1,000 characters, nothing replaced", 10),
    ]
    assert len(drawn) == sample.drawn <= 40 and all(s.drawn >= 2 for s in sample.strata)
    assert Counter(d.file for d in drawn) == {f"{s.name.split(',')[0]}.ndjson": s.drawn for s in sample.strata}


def test_rare_kinds_share_a_stratum():
    made = [note for number in range(20) for note in notes(20 - number, f"k{number}")]
    sample, _ = draw_notes(made, 30, "s")
    assert len(sample.strata) == 5 and sum(s.notes for s in sample.strata) == len(made)
    assert any(s.name.startswith("other kinds") and s.notes == sum(range(1, 17)) for s in sample.strata)


def test_the_seed_decides_the_draw_and_the_order_of_the_notes_does_not():
    made = notes(200)
    assert draw_notes(made, 20, "s") == draw_notes(made[::-1], 20, "s") != draw_notes(made, 20, "t")


def test_every_note_is_as_likely_as_another():
    counts = Counter(d.offset for seed in range(400) for d in draw_notes(notes(20), 5, str(seed))[1])
    assert set(counts) == set(range(20)) and all(60 <= count <= 140 for count in counts.values())


@pytest.mark.parametrize(("made", "most"), [([], 10), ([*notes(9), *notes(9, "a"), *notes(9, "b")], 5)])
def test_what_cannot_be_drawn_is_said(made, most):
    with pytest.raises(InputError):
        draw_notes(made, most, "s")


def test_the_least_that_can_be_drawn_is_said_and_can_be_drawn():
    made = [*notes(4), *notes(1, "a"), *notes(1, "b"), *notes(1, "c")]
    with pytest.raises(InputError, match="7 notes in all") as refused:
        draw_notes(made, 4, "s")
    assert refused.value.hint.startswith("Draw 5 or more")
    assert draw_notes(made, 5, "s")[0].drawn == 5
