"""The list of patients, as a clinician meets it, and what stays closed in it."""

from __future__ import annotations

import pytest

from clinical.gateway import list_notes
from policies.access import Purpose
from policies.care_team import EVERY, Member
from policies.events import Event
from policies.guard import account_name
from policies.policy import Role
from privacy.consent import refusal
from privacy.consent_book import record_consents
from tests.dashboard.conftest import CANARY, HOSTILE
from tests.dashboard.running import everything, headers, html


@pytest.fixture
def listed(workspace, at):
    return at(Role.CLINICIAN, "patients")


def offered(app):
    return [button for button in app.main.button if (button.key or "").startswith("patient ")]


def refuse(site, patient):
    record_consents(site, {patient: refusal([Purpose.TREATMENT], "2026-01-01T00:00:00+00:00")}, "test")


def test_the_first_page_of_a_clinician_lists_names_and_opens_no_note(listed, events):
    assert not listed.error and headers(listed) == ["Patients"]
    assert [button.label.split(" · ")[0] for button in offered(listed)] == [f"{CANARY} Other", f"{CANARY} Quist"]
    assert events(Event.NOTE_VIEWED) == events(Event.NOTE_EXTRACTED) == []
    assert [entry["names"] for entry in events(Event.PAGE_VIEWED)] == ["2"]


def test_a_search_finds_by_part_of_a_name_and_is_not_logged(listed, site, events):
    app = listed.text_input(key="search").set_value("qUi").run()
    assert [button.label.split(" · ")[0] for button in offered(app)] == [f"{CANARY} Quist"]
    app.text_input(key="search").set_value("nobody").run()
    assert not offered(app) and "0 patients" in app.main.caption[0].value
    assert "nobody" not in str(events(Event.PAGE_VIEWED))


def test_a_patient_shows_a_timeline_that_leads_to_the_note(listed, canary_note, events):
    app = offered(listed)[1].click().run()
    assert not app.error and headers(app) == ["Patients", f"{CANARY} Quist"] and "leg swelling" in html(app)
    assert [entry.get("patient") for entry in events(Event.PAGE_VIEWED)] == [None, canary_note[0]]
    app.button(key=f"open {canary_note[1]}").click().run()
    assert not app.error and headers(app)[:2] == ["Note", f"{CANARY} Quist"] and not app.query_params
    assert [entry["record"] for entry in events(Event.NOTE_VIEWED)] == [canary_note[1]]


def test_who_refused_is_a_pseudonym_without_a_note_until_the_glass_is_broken(at, site, canary_note, events):
    patient = canary_note[0]
    refuse(site, patient)
    app = at(Role.CLINICIAN, "patients")
    shown = next(button for button in offered(app) if patient in button.label)
    assert "refused" in shown.label and "Quist" not in everything(app)
    app = shown.click().run()
    assert app.warning and "Quist" not in everything(app) and not html(app)
    app.button(key="break").click().run()
    assert "reason" in app.error[0].value and events(Event.BREAK_GLASS_STARTED) == []
    app.text_area(key="reason").set_value("found unconscious")
    app.button(key="break").click().run()
    assert not app.error and headers(app)[1] == f"{CANARY} Quist" and "leg swelling" in html(app)
    (broken,) = events(Event.BREAK_GLASS_STARTED)
    assert broken["patient"] == patient and "unconscious" not in str(broken)


def test_a_patient_of_others_comes_last_without_a_name_and_opens_by_breaking_the_glass(at, site, canary_note, events):
    mine = canary_note[0]
    (others,) = {patient for patient, _ in list_notes(site)} - {mine}
    site.guard.care_teams.change([Member(mine, account_name())], [Member(EVERY, EVERY)])
    app = at(Role.CLINICIAN, "patients")
    first, second = offered(app)
    assert "Quist" in first.label and second.label == f"Patient {others} · not one of yours"
    app = second.click().run()
    assert "not one of your patients" in app.warning[0].value and "Other" not in everything(app) and not html(app)
    for page in ("note", "record"):
        app = app.switch_page(f"pages/{page}.py").run()
        assert "not on the care team" in app.error[0].value and "Other" not in everything(app)
    app = app.switch_page("pages/patients.py").run()
    app.text_area(key="reason").set_value("found unconscious")
    app.button(key="break").click().run()
    assert not app.error and headers(app)[1] == f"{CANARY} Other"
    assert [entry["patient"] for entry in events(Event.BREAK_GLASS_STARTED)] == [others]


def test_a_patient_of_others_is_found_by_the_record_number_and_by_no_name(at, site, canary_note):
    site.guard.care_teams.change([], [Member(EVERY, EVERY)])
    app = at(Role.CLINICIAN, "patients")
    assert "confide care-team add" in app.code[0].value
    assert not offered(app.text_input(key="search").set_value("Quist").run())
    (shown,) = offered(app.text_input(key="search").set_value("p1").run())
    assert canary_note[0] in shown.label


def test_what_a_session_showed_closes_when_one_leaves_the_care_team(listed, site):
    app = offered(listed)[1].click().run()
    assert "Quist" in everything(app)
    site.guard.care_teams.change([], [Member(EVERY, EVERY)])
    assert "Quist" not in everything(app.run()) and "leg swelling" not in everything(app)


def test_what_a_session_showed_closes_when_the_patient_the_patient_refuses(listed, site, canary_note):
    app = offered(listed)[1].click().run()
    assert "Quist" in everything(app)
    refuse(site, canary_note[0])
    assert "Quist" not in everything(app.run()) and "leg swelling" not in everything(app)


def test_markup_in_a_timeline_shows_as_text(listed, site, canary_note):
    from html import escape

    app = offered(listed)[1].click().run()
    assert "<script" not in html(app) and "<img" not in html(app)
    assert HOSTILE not in html(app) or escape(HOSTILE) in html(app)
    assert not any(HOSTILE[:8] in element.value for element in [*app.markdown, *app.caption, *app.subheader])


def test_a_role_without_the_right_gets_the_denial_and_no_name(at, site):
    for role in (Role.HOSPITAL_IT, Role.COMPLIANCE_OFFICER):
        app = at(role, "patients")
        assert "no policy lets" in app.error[0].value and not offered(app) and CANARY not in everything(app)


def test_a_hospital_without_records_is_told_the_command(at, workspace):
    from policies.guard import open_site

    open_site(workspace, "river")
    assert at(Role.CLINICIAN, "patients", site="river").code[0].value == "confide deid"
    assert list_notes(open_site(workspace, "river")) == []
