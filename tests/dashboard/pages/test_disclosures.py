"""The page of disclosures: the accounting of a patient, and what is recorded there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from policies.events import Event
from policies.policy import Role
from tests.dashboard.conftest import HOSTILE


@pytest.fixture
def page(workspace, at):
    return lambda: at(Role.COMPLIANCE_OFFICER, "disclosures")


def accounted(app, patient):
    app.text_input(key="patient").set_value(patient).run()
    assert not app.exception
    return app


def test_what_is_recorded_stands_in_the_accounting(page, canary_note, events):
    app = page()
    app.text_input(key="of").set_value(canary_note[0])
    app.text_input(key="recipient").set_value(f"={HOSTILE}")
    app.text_input(key="what").set_value("report of a case")
    app.selectbox(key="why").set_value("HLEGAL")
    app.button(key="record").click().run()
    assert not app.error and "Recorded" in app.success[0].value
    app = accounted(app, canary_note[0])
    (row,) = app.dataframe[0].value.to_dict("records")
    assert (row["Recipient"], row["What"], row["Times"]) == (f"={HOSTILE}", "report of a case", 1)
    assert "HLEGAL" in row["Purpose"] and app.download_button
    app.run()
    assert [one["form"] for one in events(Event.AUDIT_EXPORTED)] == ["accounting"]
    assert [one["page"] for one in events(Event.PAGE_VIEWED) if one.get("patient") == canary_note[0]] == ["disclosures"]


def test_no_cell_of_the_file_is_a_formula(page, site, canary_note):
    from dashboard.view import disclosures as view
    from dashboard.view.audit import Log
    from privacy.vault.disclosures import record

    record(site, canary_note[0], recipient="=1+1", what="@x", purpose="HLEGAL")
    log = Log(site)
    told = view.account_for(log, log.index.follow()[0], canary_note[0])
    assert b",'=1+1,'@x," in view.as_csv(told)


def test_the_accounting_is_that_of_the_command(page, site, canary_note):
    from dashboard.view import disclosures as view
    from dashboard.view.audit import Log
    from policies.audit import read_entries
    from policies.exports.accounting import accounting
    from privacy.training.accounting import epsilon
    from privacy.vault.disclosures import record

    record(site, canary_note[0], recipient="registry", what="a case", purpose="HLEGAL")
    site.guard.record(Event.UPDATE_RELEASED, plan=_plan(), round=1)
    log = Log(site)
    whole = read_entries(site.home.audit, site.keys.public)
    today = datetime.now(UTC).date()
    told = view.account_for(log, log.index.follow()[0], canary_note[0])
    assert told == accounting(whole, canary_note[0], today, epsilon) and len(told.rows) == 2 and told.epsilon


def test_a_day_to_come_and_an_unknown_patient_are_sentences(page, canary_note, events):
    app = page()
    app.text_input(key="of").set_value("c" * 32)
    app.text_input(key="recipient").set_value("registry")
    app.text_input(key="what").set_value("a case")
    app.button(key="record").click().run()
    assert "holds no such patient" in app.error[0].value
    app.text_input(key="of").set_value(canary_note[0])
    app.date_input(key="day").set_value(datetime.now(UTC).date() + timedelta(days=2))
    app.button(key="record").click().run()
    assert "has not come yet" in app.error[0].value and events(Event.DISCLOSURE_MADE) == []


def test_an_unknown_pseudonym_is_said_to_be_that_and_stands_in_no_log(page, site):
    app = accounted(page(), HOSTILE)
    said = [line.value for line in app.markdown if "No record" in line.value]
    assert said and "<script" not in said[0].replace(r"\<", "") and not app.dataframe
    assert b"zz(1)" not in b"".join(path.read_bytes() for path in site.home.audit.glob("edge*"))


def test_hospital_it_has_no_such_page(workspace, at):
    app = at(Role.HOSPITAL_IT, "disclosures")
    assert "no policy lets" in app.error[0].value and not app.text_input


def _plan():
    from tests.dashboard.conftest import the_plan

    return the_plan().digest
