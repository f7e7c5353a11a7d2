"""The audit page, as a compliance officer meets it."""

from __future__ import annotations

import pytest

from policies.auditindex import Search
from policies.events import Event
from policies.guard import open_site
from policies.logview import look
from policies.policy import Role
from policies.savedqueries import SavedQueries
from tests.dashboard.conftest import HOSTILE
from tests.dashboard.running import everything


@pytest.fixture
def page(workspace, at):
    return lambda: at(Role.COMPLIANCE_OFFICER, "audit")


def numbers(app):
    return app.dataframe[0].value["Number"].tolist() if app.dataframe else []


def test_state_first_then_every_entry_the_newest_first(page, site):
    app = page()
    size = look(site.home.audit, site.keys.public).size
    assert app.success[0].value.startswith("Verified at") and not app.error
    assert any("Every entry was read and verified at" in caption.value for caption in app.caption)
    assert numbers(app) == list(range(size - 1, -1, -1))[: len(numbers(app))] and size > 5
    assert any("wants none" in info.value for info in app.info)
    assert app.get("plotly_chart")


def test_a_search_and_its_filters_find_what_they_name(page, events):
    app = page()
    app.selectbox(key="ask event").set_value("budget.spent").run()
    assert len(numbers(app)) == 3 and not app.error
    app.text_input(key="ask text").set_value("ROUND 2").run()
    assert len(numbers(app)) == 1
    app.text_input(key="ask text").set_value("%").run()
    assert numbers(app) == [] and not app.download_button
    app.text_input(key="ask text").set_value("")
    app.selectbox(key="ask event").set_value("").run()
    app.selectbox(key="ask outcome").set_value("refused").run()
    assert numbers(app) == []


@pytest.mark.parametrize("where", ["ask patient", "ask text"])
def test_a_search_for_a_patient_is_a_look_at_the_patient(page, at, site, canary_note, events, where):
    patient = canary_note[0]
    site.guard.record(Event.NOTE_KEPT, patient=patient, record=canary_note[1])
    app = page()
    app.text_input(key=where).set_value(patient).run().run()
    assert not app.error and len(numbers(app)) > 0
    assert [one["page"] for one in events(Event.PAGE_VIEWED) if one.get("patient") == patient] == ["audit"]
    app = at(Role.COMPLIANCE_OFFICER, "access")
    app.text_input(key="patient").set_value(patient).run()
    (row,) = app.dataframe[0].value.to_dict("records")
    assert (row["Pages about the patient"], row["Notes added"]) == (1, 1)


def test_a_name_that_was_typed_for_a_pseudonym_stands_in_no_log(page, site, events):
    app = page()
    app.text_input(key="ask patient").set_value("Ann Quist").run()
    app.text_input(key="ask text").set_value("Ann Quist").run()
    assert not app.error and not [one for one in events(Event.PAGE_VIEWED) if "patient" in one]
    assert b"Ann Quist" not in b"".join(path.read_bytes() for path in site.home.audit.glob("edge*"))


def test_an_index_that_somebody_else_wrote_to_is_made_anew_and_said(page, site):
    import sqlite3

    page()
    with sqlite3.connect(site.home.audit_index) as tables:
        tables.execute("DELETE FROM entries WHERE event = 'budget.spent'")
    app = page()
    app.button(key="check").click().run()
    assert any("was not what the log says" in line.value for line in app.markdown) and not app.error
    app.selectbox(key="ask event").set_value("budget.spent").run()
    assert len(numbers(app)) == 3


def test_another_log_can_be_chosen(page, workspace):
    app = page()
    app.selectbox(key="log").set_value("server").run()
    assert not app.error and len(numbers(app)) == look(workspace.server.audit, _server_key(workspace)).size


def test_exports_are_offered_in_every_form(page):
    assert [button.label for button in page().download_button] == [
        "CSV", "FHIR AuditEvent", "Syslog (RFC 5424)", "PDF report", "Evidence folder",
    ]  # fmt: skip


def test_a_saved_search_is_put_back_by_its_account_alone(page, site):
    app = page()
    app.text_input(key="ask patient").set_value("a" * 32)
    app.selectbox(key="ask event").set_value("budget.spent").run()
    app.text_input(key="name").set_value(HOSTILE)
    app.button(key="save").click().run()
    app.text_input(key="ask patient").set_value("").run()
    app.selectbox(key="saved").set_value(HOSTILE).run()
    app.button(key="open").click().run()
    assert (
        app.text_input(key="ask patient").value == "a" * 32 and app.selectbox(key="ask event").value == "budget.spent"
    )
    assert SavedQueries(site.home, site.keys, "other").every() == {}
    assert b"a" * 32 not in site.home.audit_index.read_bytes()
    app.selectbox(key="saved").set_value(HOSTILE).run()
    app.button(key="delete").click().run()
    assert SavedQueries(site.home, site.keys, site.guard.actor).every() == {}


def test_a_sample_is_drawn_looked_at_and_signed_off(page, events):
    app = page()
    app.selectbox(key="ask event").set_value("budget.spent").run()
    app.number_input(key="most").set_value(2).run()
    app.button(key="draw").click().run()
    assert len(app.dataframe[1].value) == 2
    app.button(key="sign").click().run()
    assert "1 to 2000" in app.error[0].value and events(Event.LOG_REVIEWED) == []
    app.text_area(key="finding").set_value("as it should be <b>").run()
    app.button(key="sign").click().run()
    assert not app.error and app.dataframe[1].value["Found"].tolist() == ["as it should be <b>"]
    assert [(one["found"], len(one["sample"])) for one in events(Event.LOG_REVIEWED)] == [(3, 2)]


def test_an_altered_log_is_said_in_red_and_nothing_of_it_is_shown_or_exported(page, site):
    path = site.home.audit / "edge.ndjson"
    path.write_bytes(path.read_bytes().replace(b'"round":2', b'"round":7'))
    app = page()
    assert "altered" in app.error[0].value and len(app.error) == 1 and not app.success
    assert not [*app.dataframe, *app.download_button, *app.metric, *app.get("plotly_chart")]


def test_an_entry_that_was_altered_after_the_index_was_made_is_said_too(page, site, workspace):
    log = site.guard.log
    log.append_all([(Event.EXPORT_READ, {"number": number}) for number in range(256)])
    log.append(Event.EXPORT_READ, number=256)
    assert not page().error
    bundle = site.home.audit / "tile" / "entries" / "000"
    bundle.write_bytes(bundle.read_bytes().replace(b'"number":7', b'"number":8'))
    app = page()
    app.button(key="check").click().run()
    assert "altered" in app.error[0].value and not app.dataframe


def test_a_log_that_goes_on_from_another_is_a_warning(page, site):
    import shutil

    kept = site.home.audit.with_name("before")
    shutil.copytree(site.home.audit, kept)
    assert not page().error
    shutil.rmtree(site.home.audit)
    kept.rename(site.home.audit)
    open_site_again = open_site(_workspace(site), "north")
    for number in range(30):
        open_site_again.guard.log.append(Event.EXPORT_READ, number=number)
    assert any("is another now" in line.value for line in page().markdown)


def test_hostile_words_of_an_account_and_an_entry_show_as_themselves(page, site, workspace):
    open_site(workspace, "north", HOSTILE).guard.record(Event.PAGE_VIEWED, page=HOSTILE)
    app = page()
    assert HOSTILE in app.dataframe[0].value["Account"].tolist()
    app.text_input(key="ask text").set_value(HOSTILE).run()
    assert len(numbers(app)) == 1 and not app.exception
    shown = [element.value for element in (*app.markdown, *app.caption, *app.success, *app.info)]
    assert any(r"\<script" in text for text in shown)
    assert not any("<script" in text.replace(r"\<", "") or ":red[" in text for text in shown)


def test_hospital_it_does_not_reach_the_log(workspace, at, site):
    app = at(Role.HOSPITAL_IT, "audit")
    assert "no policy lets" in app.error[0].value and "budget.spent" not in everything(app)


def test_a_search_without_an_answer_says_so(page):
    app = page()
    app.text_input(key="ask patient").set_value("nobody").run()
    assert any("**0 entries** found" in line.value for line in app.markdown)
    assert Search(patient="nobody").words() == {"patient": "nobody"}


def _server_key(workspace):
    from policies.keys import open_public

    return open_public(workspace.server.keys, "server")


def _workspace(site):
    from policies.workspace import Workspace

    return Workspace(site.home.root.parents[1])
