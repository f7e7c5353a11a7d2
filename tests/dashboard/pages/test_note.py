"""The note page, as a clinician meets it."""

from __future__ import annotations

import json
import shutil
from html import escape

import pytest

from clinical.feedback import Target, Verdict, feedback_counts, feedback_of
from clinical.gateway import list_notes
from policies.access import Purpose
from policies.events import Event
from policies.policy import Role
from privacy.consent import refusal
from privacy.consent_book import record_consents
from tests.dashboard.conftest import CANARY, HOSTILE
from tests.dashboard.running import everything, headers, html

PATIENT = "patient of this session"


@pytest.fixture
def note_of(workspace, at):
    """The page with the notes of a patient."""

    def open_(patient):
        app = at(Role.CLINICIAN, "note")
        app.session_state[PATIENT] = patient
        return app.run()

    return open_


@pytest.fixture
def at_the_note(note_of, canary_note):
    return note_of(canary_note[0])


def test_no_note_is_opened_before_a_patient_is_chosen(workspace, at, events):
    app = at(Role.CLINICIAN, "note")
    assert "Choose a patient" in app.info[0].value and not app.main.selectbox
    assert events(Event.NOTE_VIEWED) == events(Event.NOTE_EXTRACTED) == []


def test_a_clinician_reads_a_note_with_its_evidence(at_the_note, canary_note, events):
    app, (patient, record) = at_the_note, canary_note
    assert not app.error and headers(app)[:4] == ["Note", f"{CANARY} Quist", "The note", "What it may support"]
    assert "1. Heart failure &lt;unspecified&gt;" in html(app) or "Essential $hypertension$" in html(app)
    assert "<blockquote>" in html(app) and 'class="finding negated"' in html(app)
    assert 'title="dose of furosemide"' in html(app) and "ICD-10-CM" in html(app)
    assert any("never a diagnosis" in caption.value for caption in app.main.caption)
    assert ["chest pain", "negated"] in app.dataframe[0].value[["Concept", "Status"]].to_numpy().tolist()
    app.run()
    assert len(events(Event.NOTE_VIEWED)) == 1
    (extracted,) = events(Event.NOTE_EXTRACTED)
    assert (extracted["patient"], extracted["record"]) == (patient, record) and extracted["counts"]["mentions"] > 3


def test_markup_in_a_note_shows_as_text(at_the_note):
    assert escape(HOSTILE) in html(at_the_note) and "<script" not in html(at_the_note)
    assert not any(HOSTILE[:8] in element.value for element in [*at_the_note.markdown, *at_the_note.caption])


def test_only_the_chosen_kinds_are_marked(at_the_note):
    app = at_the_note.pills(key="kinds").set_value(["medication"]).run()
    assert 'class="medication present"' in html(app) and 'class="finding negated"' not in html(app)
    assert set(app.dataframe[0].value["Kind"]) == {"medication"}


def test_the_de_identified_form_has_no_name_and_the_look_at_it_is_logged(at_the_note, events):
    app = at_the_note.segmented_control(key="form").set_value("De-identified").run()
    note = next(element.proto.body for element in app.main.get("html") if 'class="note"' in element.proto.body)
    assert "Quist" not in note and "shortness of breath" in note and "<script" not in note
    assert events(Event.PAGE_VIEWED)[-1]["form"] == "de-identified" and len(events(Event.NOTE_VIEWED)) == 1


def test_a_note_opened_under_broken_glass_closes_with_the_grant(site, canary_note, monkeypatch, note_of):
    from policies import grants
    from privacy.vault.break_glass import start

    patient = canary_note[0]
    record_consents(site, {patient: refusal([Purpose.TREATMENT], "2026-01-01T00:00:00+00:00")}, "test")
    app = note_of(patient)
    assert "patient-refused" in app.error[0].value and CANARY not in everything(app)
    start(site, patient, "found unconscious", 5)
    app.run()
    assert not app.error and "shortness of breath" in html(app)
    monkeypatch.setattr(grants.Grant, "active", False)
    app.run()
    assert "patient-refused" in app.error[0].value and CANARY not in everything(app)


def test_another_patient_has_another_note(at_the_note, note_of, site, canary_note, events):
    other = next(patient for patient, _ in list_notes(site) if patient != canary_note[0])
    app = note_of(other)
    assert "Other" in headers(app)[1] and "chest pain" not in html(app)
    assert len(app.selectbox(key="record").options) == 2
    assert [entry["patient"] for entry in events(Event.NOTE_VIEWED)] == [canary_note[0], other]


def test_a_fact_is_corrected_with_a_reason_that_the_log_does_not_have(at_the_note, site, canary_note, events):
    app = at_the_note
    lines = app.selectbox(key="closer").options
    app.selectbox(key="closer").set_value(next(n for n, line in enumerate(lines) if "chest pain" in line)).run()
    app.toggle(key="codes").set_value(True).run()
    assert "ICD-10-CM" in app.dataframe[1].value["System"].to_list()
    app.selectbox(key="about").set_value(1)
    app.radio(key="verdict").set_value(Verdict.CORRECTED)
    app.text_input(key="right").set_value("present")
    app.button(key="send").click().run()
    assert "reason" in app.error[0].value and feedback_counts(site) == {}
    app.selectbox(key="about").set_value(1)
    app.radio(key="verdict").set_value(Verdict.CORRECTED)
    app.text_input(key="right").set_value("present")
    app.text_input(key="why").set_value("she was asked again")
    app.button(key="send").click().run()
    assert app.success and not app.error
    (said,) = feedback_of(site, *canary_note)
    assert (said.target, said.said, said.right) == (Target.ASSERTION, "negated", "present")
    (entry,) = events(Event.FEEDBACK_RECEIVED)
    assert "asked again" not in json.dumps(entry) and entry["outcome"] == "corrected"
    assert app.dataframe[-1].value["Rather"].to_list() == ["present"]


def test_a_suggestion_is_rejected_under_the_version_of_its_model(at_the_note, site, workspace, events):
    app = at_the_note
    lines = app.selectbox(key="closer").options
    app.selectbox(key="closer").set_value(len(lines) - 1).run()
    app.radio(key="verdict").set_value(Verdict.REJECTED)
    app.text_input(key="why").set_value("not this")
    app.button(key="send").click().run()
    (model,) = (folder.name for folder in workspace.models.iterdir())
    assert feedback_counts(site) == {model: {"suggestion rejected": 1}}


def test_an_export_is_a_bundle_and_is_logged_when_it_is_made(at_the_note, site, workspace, canary_note, events):
    from clinical.coding.library import Library
    from clinical.gateway import export_for_care

    assert at_the_note.get("download_button") and events(Event.NOTE_EXPORTED) == []
    _, (note, _) = at_the_note.session_state["note of this session"]
    bundle = json.loads(export_for_care(site, note.text, note.found, note.source, Library(workspace.codes)))
    assert bundle["resourceType"] == "Bundle" and f"Patient/{canary_note[0]}" in json.dumps(bundle)
    (entry,) = events(Event.NOTE_EXPORTED)
    assert (entry["patient"], entry["record"], entry["form"]) == (*canary_note, "fhir")


def test_without_a_model_there_are_facts_and_the_command_that_makes_one(workspace, canary_note, note_of):
    shutil.rmtree(workspace.models)
    app = note_of(canary_note[0])
    assert app.code[0].value == "confide train" and "blockquote" not in html(app) and len(app.dataframe[0].value) > 3


def test_a_model_that_does_not_verify_is_a_sentence(workspace, canary_note, note_of):
    next(workspace.models.glob("*/model.safetensors")).write_bytes(b"other")
    app = note_of(canary_note[0])
    assert "so it is not loaded" in app.error[0].value and not html(app).count("blockquote")


def test_a_fault_that_nobody_foresaw_shows_no_text_of_its_message(note_of, canary_note, monkeypatch):
    def fail(*_):
        raise ValueError(CANARY)

    monkeypatch.setattr("clinical.gateway.person_of", fail)
    app = note_of(canary_note[0])
    assert "ValueError" in app.error[0].value and CANARY not in everything(app) and not app.exception
