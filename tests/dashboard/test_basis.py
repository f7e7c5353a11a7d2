"""How a suggestion's basis is shown, at the command line and on the page."""

from __future__ import annotations

import pytest

from clinical.diagnosis import Evidence, Extraction, NotAsked, Standing, Suggestion
from clinical.extraction import read_note
from clinical.output import as_data
from dashboard.commands.extract import show
from dashboard.drawing.note import note_view

TEXT = "Leg <b>swelling</b> for days. Denies fever."
LEG, FEVER = (0, 29), (37, 42)
STANDING = Standing(146, 0.9, (0.853, 0.947), (0.075, 0.02, 0.09), ("Heart <failure>", "COPD"))


def found(**changes: object) -> Extraction:
    suggestion = Suggestion(
        "I50.9",
        "Heart <failure>",
        0.634,
        (Evidence(*LEG, 1.25, ((0, 3), (7, 15))),),
        (Evidence(*FEVER, -0.4, (), "Denies"),),
        (NotAsked("orthopnea", 0.7, True), NotAsked("dyspnea", 0.3, False)),
        True,
    )
    values = {"facts": read_note(TEXT), "suggestions": (suggestion,), "model": "m", "standing": STANDING}
    return Extraction(**(values | changes))  # type: ignore[arg-type]


def printed(capsys: pytest.CaptureFixture[str], extraction: Extraction) -> str:
    show(TEXT, extraction)
    return " ".join(capsys.readouterr().out.split())


def test_the_command_line_says_for_against_and_not_asked(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, found())
    assert "63.4% Heart <failure> (I50.9), in the set" in out
    assert 'for +1.25 0: "Leg <b>swelling</b> for days."' in out
    assert 'against -0.40 37: "fever" (the note: Denies)' in out
    assert "not asked +0.70 orthopnea; if present, this would rank first" in out
    assert "not asked +0.30 dyspnea" in out and "dyspnea; if" not in out
    assert "never a diagnosis" in out and "rule 11" in out
    assert "At 90% the note's conditions, where the model knows them, are among: Heart <failure>, COPD" in out
    assert "146 held-back patients" in out and "85% and 95%" in out and "7.5%" in out


def test_it_says_why_there_is_none_and_that_shares_are_no_chances(capsys: pytest.CaptureFixture[str]) -> None:
    refused = printed(capsys, found(suggestions=(), standing=None, refusal="not enough in this note"))
    assert "no suggestion: not enough in this note" in refused
    assert "smallest probability" not in refused and "never a diagnosis" in refused
    assert "no chances" in printed(capsys, found(standing=None, caution="shares, which are no chances"))


def test_json_holds_the_words_and_what_it_is_for() -> None:
    data = as_data(TEXT, found())
    (suggestion,) = data["suggestions"]  # type: ignore[misc]
    assert suggestion["evidence"][0]["words"] == ["Leg", "swelling"]
    assert suggestion["against"][0]["text"] == "fever"
    assert suggestion["not_asked"][0]["first"] is True
    assert "never a diagnosis" in str(data["intended_use"])
    assert data["standing"]["labels"] == ("Heart <failure>", "COPD")  # type: ignore[index]


def test_the_page_shows_the_same_escaped() -> None:
    html = note_view(TEXT, found()).conditions
    assert "<b>Leg</b> &lt;b&gt;<b>swelling</b>&lt;/b&gt; for days." in html and "<b>swelling</b></b>" not in html
    assert (
        "<h4>Against</h4>" in html
        and "fever" in html.split("<h4>Against</h4>")[1]
        and "<small>(Denies)</small>" in html
    )
    assert "<li>orthopnea: if present, this would rank first</li><li>dyspnea</li>" in html
    assert 'aria-label="probability"' in html
    assert "among: Heart &lt;failure&gt;, COPD." in html


def test_the_page_says_refusals_and_shares() -> None:
    assert "No suggestion: too short.</p>" in note_view(TEXT, found(suggestions=(), refusal="too short")).conditions
    bare = Suggestion("x", "x", 0.5, (Evidence(*LEG, 1.0),))
    html = note_view(TEXT, found(suggestions=(bare,), standing=None, caution="not calibrated")).conditions
    assert "Not calibrated.</p>" in html and 'aria-label="share among the labels"' in html
