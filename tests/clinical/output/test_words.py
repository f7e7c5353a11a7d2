"""What a clinician reads: problems first, one line for what is said alike, each with its sentence."""

from __future__ import annotations

from hypothesis import given, settings

from clinical.diagnosis import Extraction
from clinical.extraction import read_note
from clinical.output import as_data, fact_rows, statements_of
from clinical.output.words import quotation
from tests.clinical.output.made import extractions

NOTE = """Chest pain for 2 days, no fever, chills or cough. Mother had diabetes.
PAST MEDICAL HISTORY:
Gout. Hypertension.
MEDICATIONS:
metoprolol 25 mg PO bid
ASSESSMENT: Possible pneumonia. Chest pain persists."""


def test_problems_come_first_and_what_is_denied_last() -> None:
    rows = fact_rows(NOTE, read_note(NOTE))
    assert list(rows) == ["problem", "finding", "medication"]
    assert [row.status.split()[0] for row in rows["problem"]] == ["uncertain", "historical", "historical", "family"]
    assert [row.status for row in rows["finding"]][-1].startswith("negated")


def test_what_is_said_twice_is_one_line_with_its_sentence_and_heading() -> None:
    rows = fact_rows(NOTE, read_note(NOTE))
    assert rows["finding"][0].said == "chest pain"
    assert rows["finding"][0].evidence.startswith('0 and 1 more: "«Chest pain» for 2 days, no fever')
    (metoprolol,) = rows["medication"]
    assert metoprolol.details == "25 mg oral bid"
    assert metoprolol.evidence == f'MEDICATIONS {NOTE.index("metoprolol")}: "«metoprolol» 25 mg PO bid"'


def test_what_one_cue_denies_in_one_sentence_is_one_line() -> None:
    (denied,) = [row for row in fact_rows(NOTE, read_note(NOTE))["finding"] if row.status.startswith("negated")]
    assert (denied.said, denied.status) == ("fever, chill, cough", "negated (no)")
    apart = "No fever. No cough."
    assert [row.said for row in fact_rows(apart, read_note(apart))["finding"]] == ["fever", "cough"]


def test_relatives_are_kept_apart() -> None:
    text = "Mother had gout. Father had gout. Father has gout."
    assert [len(one.mentions) for one in statements_of(text, read_note(text))] == [1, 2]


def test_of_a_medication_it_stands_what_happens_to_it() -> None:
    text = "Hold warfarin. Stop aspirin. Consider insulin. Allergic to penicillin. Takes metformin."
    assert {row.said: row.status.split(" (")[0] for row in fact_rows(text, read_note(text))["medication"]} == {
        "warfarin": "held", "aspirin": "stopped", "insulin": "planned", "penicillin": "allergy", "metformin": "present",
    }  # fmt: skip


def test_a_long_sentence_is_cut_at_words_around_the_mention() -> None:
    text = "word " * 60 + "fever " + "word " * 60
    shown = quotation(text, (0, len(text)), (300, 305))
    assert shown.startswith("…word ") and shown.endswith(" word…") and "«fever»" in shown and len(shown) < 160
    assert quotation("A cough.", (0, 8), (2, 7)) == "A «cough»."


@settings(max_examples=100, deadline=None)
@given(extractions())
def test_every_mention_but_anatomy_stands_in_one_statement_and_each_in_one_line(drawn: tuple[str, Extraction]) -> None:
    text, found = drawn
    told = [mention for statement in statements_of(text, found.facts) for mention in statement.mentions]
    assert len(told) == sum(mention.kind != "anatomy" for mention in found.facts.mentions)
    lines = [row for rows in fact_rows(text, found.facts).values() for row in rows]
    concepts = {statement.concept for statement in statements_of(text, found.facts)}
    assert all(any(concept in row.said for row in lines) for concept in concepts)
    assert as_data(text, found)["model"] == found.model
