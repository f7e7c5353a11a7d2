"""A patient's record, as a clinician meets it."""

from __future__ import annotations

import pytest

from policies.access import Purpose
from policies.events import Event
from policies.policy import Role
from privacy.consent import refusal
from privacy.consent_book import record_consents
from privacy.vault.originals import Vault
from tests.dashboard.conftest import CANARY, HOSTILE
from tests.dashboard.running import everything, headers, html

PATIENT = "patient of this session"
LATER = f"2024-03-01\nCreatinine 1.2 mg/dL.\nPLAN:\nRepeat CT <script>zz(1)</script> in six weeks. {HOSTILE}"


@pytest.fixture
def record_of(at, site, canary_note):
    """The page of the patient with the canary, who has two results."""
    kept = Vault(site.home.vault, site.keys.wrapping)
    rows = [("a" * 32, LATER), ("b" * 32, LATER.replace("2024-03", "2024-04").replace("1.2", "1.9"))]
    kept.put((canary_note[0], record, text.encode()) for record, text in rows)
    app = at(Role.CLINICIAN, "record")
    app.session_state[PATIENT] = canary_note[0]
    return app.run()


def test_the_summary_quotes_and_is_logged_once(record_of, canary_note, events):
    app = record_of
    assert not app.error and headers(app) == ["Record", f"{CANARY} Quist"]
    for words in ("hypertension: present", "furosemide", "rising", "ordered: ct", "<blockquote>Creatinine 1.9"):
        assert words in html(app).replace("computed tomography", "ct"), words
    app.run()
    assert [entry["patient"] for entry in events(Event.NOTE_EXTRACTED)] == [canary_note[0]]


def test_results_are_drawn_with_a_caption_that_says_the_same(record_of):
    (plot,) = record_of.get("plotly_chart")
    assert plot and any("1.2 (2024-03-01), 1.9 (2024-04-01)" in caption.value for caption in record_of.caption)


def test_markup_in_a_record_shows_as_text(record_of):
    assert "<script" not in html(record_of) and "<img" not in html(record_of) and "&lt;script&gt;" in html(record_of)
    assert not any(HOSTILE[:8] in e.value for e in [*record_of.markdown, *record_of.caption, *record_of.subheader])


def test_a_question_is_answered_by_a_quotation_and_the_log_has_no_word_of_it(record_of, events):
    app = record_of
    app.text_input(key="question").set_value("Does the patient have <b>chest pain</b>?")
    app.button(key="ask").click().run()
    assert not app.error and "Denies chest pain" in html(app) and "&lt;b&gt;chest pain" in html(app)
    app.text_input(key="question").set_value("Was a colonoscopy done on zebras?")
    app.button(key="ask").click().run()
    assert "Not stated" in html(app) and html(app).index("zebras") < html(app).index("Denies chest pain")
    counts = [entry["counts"] for entry in events(Event.NOTE_EXTRACTED)][1:]
    assert [(own["questions"], own["answers"]) for own in counts] == [(1, 1), (1, 0)]
    assert "zebras" not in str(events(Event.NOTE_EXTRACTED))
    app.button(key="anew").click().run()
    assert "zebras" not in html(app)


def test_a_refusal_closes_summary_and_answers(record_of, site, canary_note):
    record_of.text_input(key="question").set_value("Chest pain?")
    app = record_of.button(key="ask").click().run()
    record_consents(site, {canary_note[0]: refusal([Purpose.TREATMENT], "2026-01-01T00:00:00+00:00")}, "test")
    app.run()
    assert "patient-refused" in app.error[0].value and not html(app) and CANARY not in everything(app)


def test_nothing_is_read_before_a_patient_is_chosen_nor_in_another_role(workspace, at, events):
    assert "Choose a patient" in at(Role.CLINICIAN, "record").info[0].value
    assert "no policy lets" in at(Role.HOSPITAL_IT, "record").error[0].value
    assert events(Event.NOTE_EXTRACTED) == []
