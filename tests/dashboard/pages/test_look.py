"""One look at a note from outside: nothing of it stays unless the clinician says for whom."""

from __future__ import annotations

import json

import pytest

from clinical.gateway import open_note
from clinical.patients import notes_of
from dashboard.pages import FILE_SLOT, LOOK_SLOT
from policies.access import Purpose
from policies.events import Event
from policies.policy import Role
from privacy.consent import refusal
from privacy.consent_book import record_consents
from tests.dashboard.conftest import HOSTILE
from tests.dashboard.running import headers, html

WORD = "Xylophanes"
TEXT = f"{WORD} denies fever. Takes furosemide 40 mg daily. {HOSTILE}"


@pytest.fixture
def look(workspace, at):
    return at(Role.CLINICIAN, "look")


def pasted(app, text=TEXT):
    app.text_area(key="pasted").set_value(text)
    return app.button(key="read").click().run()


def held(workspace, word=WORD):
    return [path for path in workspace.root.rglob("*") if path.is_file() and word.encode() in path.read_bytes()]


def test_a_pasted_text_is_read_once_and_leaves_counts_alone(look, workspace, events):
    app = pasted(look).run()
    assert not app.error and 'class="finding negated"' in html(app)
    (extracted,) = events(Event.NOTE_EXTRACTED)
    assert set(extracted) == {"source", "model", "purpose", "counts", "policy"}
    assert not held(workspace)
    app.switch_page("pages/note.py").run()
    assert not any(slot in app.session_state for slot in (LOOK_SLOT, FILE_SLOT))


def test_markup_shows_as_text(look):
    app = pasted(look)
    assert "<script" not in html(app) and "&lt;script&gt;" in html(app)
    assert not any(HOSTILE[:8] in element.value for element in [*app.markdown, *app.caption])


def test_a_file_is_read_and_a_bad_one_is_a_sentence(look, events):
    look.radio(key="source").set_value("Upload a file").run()
    document = {
        "resourceType": "DocumentReference", "id": "<b>7</b>",
        "content": [{"attachment": {"data": "RGVuaWVzIGZldmVyLg=="}}],
    }  # fmt: skip
    app = look.file_uploader(key="file").set_value(("n.json", json.dumps(document).encode(), "application/json")).run()
    assert not app.error and 'class="finding negated"' in html(app)
    assert any("calls itself" in own.value and "<b>" not in own.value for own in app.main.caption)
    app.file_uploader(key="file").set_value(("n.txt", b"\xff\xfe\x00\xd8", "text/plain")).run()
    assert app.error and not app.exception and len(events(Event.NOTE_EXTRACTED)) == 1


def test_a_note_is_kept_sealed_for_the_patient_who_is_chosen(look, workspace, site, canary_note, events):
    app = pasted(look)
    assert app.button(key="keep").disabled
    app.text_input(key="whose").set_value("Quist").run()
    app.selectbox(key="keep_for").set_value(0).run()
    app.button(key="keep").click().run()
    (entry,) = events(Event.NOTE_KEPT)
    assert entry["patient"] == canary_note[0] and entry["record"] in notes_of(site, canary_note[0])
    assert open_note(site, canary_note[0], entry["record"]).text == TEXT and not held(workspace)
    assert not app.error and headers(app)[0] == "Note" and WORD in html(app)


def test_nothing_is_kept_for_a_patient_who_refused(look, site, canary_note):
    record_consents(site, {canary_note[0]: refusal([Purpose.TREATMENT], "2026-01-01T00:00:00+00:00")}, "test")
    app = pasted(look)
    app.text_input(key="whose").set_value(canary_note[0]).run()
    assert app.selectbox(key="keep_for").options == [] and app.button(key="keep").disabled


def test_an_export_names_no_patient_and_is_logged(look, site, workspace, events):
    from clinical.coding.library import Library
    from clinical.gateway import export_for_care

    _, note = pasted(look).session_state["text of one look"]
    bundle = json.loads(export_for_care(site, note.text, note.found, note.source, Library(workspace.codes)))
    assert bundle["resourceType"] == "Bundle" and "Patient/" not in json.dumps(bundle)
    assert events(Event.NOTE_EXPORTED)[0]["source"] == "pasted or uploaded"


def test_another_role_is_denied(workspace, at):
    app = at(Role.COMPLIANCE_OFFICER, "look")
    assert "no policy lets" in app.error[0].value and not app.text_area
