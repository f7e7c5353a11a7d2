"""A note as it is drawn."""

from __future__ import annotations

from html import escape

from clinical.diagnosis import Evidence, Extraction, Suggestion
from clinical.extraction import read_note
from dashboard.drawing.note import note_view
from tests.dashboard.conftest import HOSTILE, NOTE


def drawn(text, *suggestions):
    return note_view(text, Extraction(read_note(text), suggestions, "m"))


def test_a_note_is_escaped_and_its_mentions_are_marked_by_kind_and_status():
    html = drawn(NOTE).html
    assert escape(HOSTILE) in html and "<script" not in html and "<img" not in html
    assert '<mark class="finding negated" title="chest pain: finding, negated (by “Denies”)">chest pain</mark>' in html
    assert '<mark class="problem historical"' in html and "Hypertension<small>past</small></mark>" in html
    assert "diabetes<small>family</small></mark>" in html
    assert "frequency daily" in html and "<strong>PAST MEDICAL HISTORY</strong>" in html


def test_taking_the_marks_away_gives_the_note_back():
    import re
    from html import unescape

    first = read_note(NOTE).sentences[0]
    html = drawn(NOTE, Suggestion("I50.9", "x", 0.5, (Evidence(*first, 1.0),))).html
    bare = re.sub(r"<small.*?</small>|<sup>.*?</sup>|<[^>]*>", "", html)
    assert unescape(bare) == NOTE


def test_conditions_quote_their_evidence_and_the_note_underlines_it():
    text = "Leg swelling for days. Denies <b>fever</b>."
    swelling, fever = read_note(text).sentences
    shown = drawn(
        text,
        Suggestion("I50.9", "Heart <failure>", 0.634, (Evidence(*swelling, 1.0),)),
        Suggestion("J18.9", "J18.9", 0.2, (Evidence(*fever, 0.5), Evidence(*swelling, 0.1))),
    )
    assert "1. Heart &lt;failure&gt; <code>I50.9</code>" in shown.conditions
    assert 'aria-valuenow="63"' in shown.conditions and "width: 63%" in shown.conditions
    assert f'<a href="#place-{fever[0]}">Denies &lt;b&gt;fever&lt;/b&gt;.</a>' in shown.conditions
    assert all(shown.html.count(f'id="place-{start}"') == 1 for start in (swelling[0], fever[0]))
    assert "<sup>1, 2</sup>" in shown.html and "<sup>2</sup>" in shown.html
    assert "No condition reaches" in drawn(text).conditions
    unsaid = note_view(text, Extraction(read_note(text), (), "m", unsupported=2)).conditions
    assert "2 more, for which no sentence speaks" in unsaid and "No condition reaches" not in unsaid


def test_a_reason_for_no_suggestion_stands_before_all_of_them():
    said = Extraction(read_note("Cough."), (Suggestion("I10", "x", 0.5, (Evidence(0, 6, 1.0),)),), "m", "too <short>")
    shown = note_view("Cough.", said).conditions
    assert shown.startswith('<p class="warning" role="note">No suggestion: too &lt;short&gt;.</p>')


def test_what_is_in_the_set_says_so():
    chosen = Suggestion("I10", "x", 0.5, (Evidence(0, 6, 1.0),), in_set=True)
    assert "in the set" in drawn("Cough.", chosen).conditions
    assert "in the set" not in drawn("Cough.", Suggestion("I10", "x", 0.5, (Evidence(0, 6, 1.0),))).conditions


def test_a_dose_says_of_which_drug_it_is_and_a_mention_its_code():
    from clinical.coding import Code

    text = "MEDS:\nfurosemide 40 mg daily"
    codes = {("furosemide", "medication"): Code("RxNorm", '"4603', "x", 0.953, ())}
    html = note_view(text, Extraction(read_note(text), (), "m"), codes=codes).html
    assert '<span class="tail" title="dose of furosemide">40</span>' in html
    assert "RxNorm &quot;4603, 0.95 alike" in html and '<small class="label">medications</small>' in html


def test_only_the_chosen_kinds_are_marked_and_listed():
    text = "Denies fever. Takes furosemide 40 mg daily."
    shown = note_view(text, Extraction(read_note(text), (), "m"), ("finding",))
    assert "medication" not in shown.html and 'class="tail"' not in shown.html and len(shown.facts) == 1


def test_every_label_of_a_section_has_a_name_for_people():
    from policies.files import table_of

    labels = {row["label"] for row in table_of("clinical", "tables/sections")["section"]}
    assert labels == set(table_of("clinical", "tables/section_names")["names"])


def test_facts_are_rows():
    rows = drawn("Denies fever.\nMEDICATIONS:\nfurosemide 40 mg daily").facts
    assert [(row["Concept"], row["Status"]) for row in rows] == [("fever", "negated"), ("furosemide", "present")]
    assert rows[1]["Attributes"] == "dose 40, unit mg, frequency daily"


def test_an_empty_note_draws():
    assert drawn("").html == '<div class="note"></div>'
