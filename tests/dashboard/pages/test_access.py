"""The page that says who saw a patient."""

from __future__ import annotations

import pytest

from policies.access import Action, Purpose
from policies.errors import AccessDenied
from policies.events import Event
from policies.guard import open_site
from policies.policy import Role
from tests.dashboard.conftest import HOSTILE


@pytest.fixture
def asked(workspace, at):
    def ask(patient):
        app = at(Role.COMPLIANCE_OFFICER, "access")
        app.text_input(key="patient").set_value(patient).run()
        assert not app.exception
        return app

    return ask


def test_every_account_that_opened_something_is_told_with_how_often(asked, workspace, canary_note, events):
    patient, record = canary_note
    for actor, times in (("anna", 2), ("bob", 1)):
        site = open_site(workspace, "north", actor, Role.CLINICIAN)
        for _ in range(times):
            site.guard.permit(Action.VIEW_NOTE, Purpose.TREATMENT, patient=patient)
            site.guard.record(Event.NOTE_VIEWED, patient=patient, record=record, purpose="TREAT")
    with pytest.raises(AccessDenied):
        open_site(workspace, "north", "ivan", Role.HOSPITAL_IT).guard.permit(
            Action.VIEW_NOTE, Purpose.TREATMENT, patient=patient
        )
    app = asked(patient)
    people, entries = (element.value for element in app.dataframe)
    assert people[["Account", "Notes opened", "Denied"]].to_numpy().tolist() == [
        ["ivan", 0, 1], ["bob", 1, 0], ["anna", 2, 0],
    ]  # fmt: skip
    assert entries["Event"].tolist() == ["access.denied", "note.viewed", "note.viewed", "note.viewed"]
    app.toggle(key="every").set_value(True).run()
    assert "access.decided" in app.dataframe[1].value["Event"].tolist()
    assert [one.get("patient") for one in events(Event.PAGE_VIEWED) if one["page"] == "access"] == [patient]


def test_no_look_is_too_old_to_be_told(asked, workspace, site, canary_note):
    patient = canary_note[0]
    log = open_site(workspace, "north", "anna", Role.CLINICIAN).guard.log
    log.append(Event.NOTE_VIEWED, patient=patient, record="first")
    log.append_all([(Event.NOTE_EXTRACTED, {"patient": patient, "number": number}) for number in range(150)])
    app = asked(patient)
    (row,) = app.dataframe[0].value.to_dict("records")
    assert (row["Notes opened"], row["Notes read for facts"]) == (1, 150) and len(app.dataframe[1].value) == 100
    assert any("151 entries" in caption.value for caption in app.caption)


def test_another_patient_of_the_same_account_is_not_told(asked, workspace, canary_note):
    site = open_site(workspace, "north", "anna", Role.CLINICIAN)
    site.guard.record(Event.NOTE_VIEWED, patient="b" * 32, record="d9", purpose="TREAT")
    site.guard.record(Event.NOTE_VIEWED, patient=canary_note[0], record="d1", purpose="TREAT")
    assert asked("b" * 32).dataframe[1].value["Details"].str.contains("d9").tolist() == [True]


def test_an_unknown_pseudonym_is_said_as_itself_and_stands_in_no_log(asked, events, site):
    app = asked(HOSTILE)
    assert "No entry" in app.info[0].value and "<script" not in app.info[0].value.replace(r"\<", "")
    assert not app.dataframe and all(one["page"] != "access" for one in events(Event.PAGE_VIEWED))
    assert b"zz(1)" not in b"".join(path.read_bytes() for path in site.home.audit.glob("edge*"))


def test_clinicians_and_hospital_it_have_no_such_page(workspace, at):
    for role in (Role.CLINICIAN, Role.HOSPITAL_IT, Role.RESEARCHER):
        app = at(role, "access")
        assert "no policy lets" in app.error[0].value and not [*app.text_input, *app.dataframe]
