"""confide ask and confide summary, as a clinician types them."""

from __future__ import annotations

import json

import pytest

from clinical.gateway import list_notes, open_note
from dashboard.cli import app
from policies.errors import AccessDenied, InputError
from policies.events import Event
from policies.guard import account_name


@pytest.fixture
def confide(as_account, workspace):
    return lambda *words, text="": as_account(app, workspace, account_name(), *words, text=text).output


def texts_of(site):
    notes = {record: open_note(site, patient, record) for patient, record in list_notes(site)}
    return {record: note.text for record, note in notes.items()}, {note.patient: note for note in notes.values()}


@pytest.fixture
def patient(site):
    """The pseudonym of the patient with the long note."""
    _, by_patient = texts_of(site)
    return next(own for own, note in by_patient.items() if "furosemide" in note.text)


def test_an_answer_is_a_quotation_of_the_note(confide, site, patient):
    (answer,) = json.loads(confide("ask", patient, "Does the patient have chest pain?", "--json"))
    quotation = answer["quotation"]
    texts, _ = texts_of(site)
    assert quotation["text"] == texts[quotation["record"]][quotation["start"] : quotation["end"]]
    assert "chest pain" in quotation["text"] and "Denies" in quotation["text"]
    assert (answer["status"], answer["cue"]) == ("negated", "Denies")
    shown = confide("ask", patient, "Does the patient have chest pain?")
    assert "Denies chest pain" in shown and quotation["record"] in shown


def test_a_list_is_answered_by_rules(confide, patient):
    shown = confide("ask", patient, "What medication does she take?", "Does she smoke?")
    assert "furosemide" in shown and "(by rules)" in shown
    assert shown.endswith("not stated (by rules)\n")


def test_the_log_has_counts_and_no_question(confide, events, site, patient):
    confide("ask", patient, "Was there a zebrafish?")
    (logged,) = events(Event.NOTE_EXTRACTED)
    assert (logged["patient"], logged["counts"]["questions"], logged["purpose"]) == (patient, 1, "TREAT")
    assert "zebrafish" not in (site.home.audit / "edge.ndjson").read_text()


def test_a_file_can_be_asked(confide, tmp_path, events):
    note = tmp_path / "note.txt"
    note.write_text("HPI: She denies fever. She has had a cough for three days.\n")
    (answer,) = json.loads(confide("ask", "--note", str(note), "Does she have a fever?", "--json"))
    assert answer["quotation"]["record"] == "note.txt" and answer["status"] == "negated"
    assert events(Event.NOTE_EXTRACTED)[0]["source"] == "one note"


def test_a_summary_has_its_parts_and_quotes(confide, patient):
    shown = confide("summary", patient)
    assert all(
        f"{part}\n" in shown
        for part in ("complaints in the newest note", "problems", "medications", "results", "open", "timeline")
    )
    assert "hypertension: present" in shown and "furosemide" in shown
    data = json.loads(confide("summary", patient, "--json"))
    assert data["notes"] == 1 and {own["concept"] for own in data["medications"]} == {"furosemide"}


@pytest.mark.parametrize("words", [["only"], ["p", " "], ["p", "q", " "], ["--note", "x", " "]])
def test_a_question_that_is_not_whole_is_an_error(confide, words):
    with pytest.raises(InputError, match="a question"):
        confide("ask", *words)


def test_nobody_but_a_clinician_asks(confide, patient, let):
    let("hospital_it")
    with pytest.raises(AccessDenied):
        confide("ask", patient, "Fever?")
    with pytest.raises(AccessDenied):
        confide("summary", patient)
