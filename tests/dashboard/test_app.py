"""The entrance: who is let in, what is asked, and which pages open to whom."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from streamlit.runtime.context import ContextProxy

from dashboard.signin import COOKIE, sessions
from dashboard.view.visit import PAGES
from policies.access import Purpose
from policies.errors import AccessDenied
from policies.events import Event
from policies.policy import Role
from tests.dashboard.conftest import CANARY
from tests.dashboard.running import everything, html, started

OFFICER, IT, CLINICIAN = Role.COMPLIANCE_OFFICER, Role.HOSPITAL_IT, Role.CLINICIAN


def test_nobody_without_a_session_sees_anything_but_the_way_to_sign_in(workspace):
    app = started()
    assert "not signed in" in app.info[0].value and 'href="/signin"' in html(app)
    assert not [*app.title, *app.sidebar.markdown, *app.selectbox, *app.dataframe, *app.error]
    for page in PAGES:
        app.switch_page(f"pages/{page.name}.py").run()
        assert "not signed in" in app.info[0].value and not [*app.title, *app.selectbox, *app.dataframe, *app.error]


def test_a_token_that_was_made_up_or_ended_opens_nothing(workspace, signed_in):
    token = signed_in(OFFICER)
    assert started().title
    sessions(workspace).end(token)
    assert not started().title and "session ended" in started().info[0].value


def test_over_https_the_cookie_with_the_prefix_is_the_session(workspace, signed_in, monkeypatch):
    token = signed_in(OFFICER)
    monkeypatch.setattr(ContextProxy, "url", "https://confide.hospital.org/audit-log")
    assert not started().title  # a neighbour's, without the prefix
    monkeypatch.setattr(ContextProxy, "cookies", {f"__Host-{COOKIE}": token})
    assert started().title


def test_a_page_on_the_screen_leaves_it_once_the_session_acts_as_something_else(workspace, signed_in, monkeypatch):
    from dashboard import app as entrance

    reruns, token, watch = [], signed_in(OFFICER), entrance.keep_watch.__wrapped__  # without its clock
    monkeypatch.setattr("streamlit.rerun", lambda: reruns.append(1))
    kept = sessions(workspace)
    before = kept.find(token).choice
    watch(workspace, token, before)
    assert not reruns
    kept.choose(token, None)
    watch(workspace, token, before)
    kept.end(token)
    watch(workspace, token, None)
    assert len(reruns) == 2


def test_whoever_has_several_roles_chooses_once_and_the_choice_is_logged(workspace, signed_in, events):
    signed_in()
    app = started()
    app.radio(key="role").set_value(OFFICER).run()
    assert app.radio(key="purpose").options == ["hospital operations (HOPERAT)"]
    app.button(key="choose").click().run()
    assert app.title[0].value == "Audit log" and not app.error
    assert [(e["role"], e["purpose"]) for e in events(Event.PURPOSE_CHOSEN)] == [(OFFICER, "HOPERAT")]
    shown = app.sidebar.markdown[0].value
    assert "Compliance officer" in shown and "HOPERAT" in shown and "north" in shown
    assert started().title[0].value == "Audit log"  # another tab, or the page loaded anew
    app.button(key="change").click().run()
    assert app.radio(key="role") and len(events(Event.PURPOSE_CHOSEN)) == 1


def test_whoever_has_one_choice_is_not_asked(workspace, let, signed_in, events):
    let("researcher")
    signed_in()
    assert started().title and len(events(Event.PURPOSE_CHOSEN)) == 1


def test_in_one_role_nobody_has_the_rights_of_another(workspace, at, events):
    """The account may hold every role: it acts in the chosen one."""
    app = at(IT, "audit")
    assert "no policy lets" in app.error[0].value and AccessDenied.hint[:3] in app.error[0].value
    assert not [*app.selectbox, *app.dataframe, *app.metric, *app.header, *app.get("plotly_chart")]
    assert events(Event.ACCESS_DENIED)[0]["roles"] == ["hospital_it"] and not app.exception


@pytest.mark.parametrize("page", [page.name for page in PAGES])
def test_a_page_is_offered_to_those_who_may_open_it_and_denies_all_others(workspace, site, signed_in, page, events):
    from policies.access import decide
    from policies.guard import account_name

    action = next(own.action for own in PAGES if own.name == page)
    for role in (CLINICIAN, OFFICER, Role.RESEARCHER):
        token = signed_in(role)
        purpose = sessions(workspace).find(token).choice.purpose
        app = started(page)
        denied = any("lets" in error.value or "does not let" in error.value for error in app.error)
        assert denied is not decide(account_name(), [role], action, purpose).permitted, (role, purpose)


def test_a_clinician_of_operations_reads_no_note(workspace, at):
    app = at(CLINICIAN, "note", purpose=Purpose.OPERATIONS)
    assert "no policy lets" in app.error[0].value and not app.selectbox


def test_when_the_role_is_taken_away_the_session_ends(workspace, signed_in, let):
    signed_in(OFFICER)
    app = started()
    assert app.title
    let("clinician")
    app.run()
    assert not app.title and "session ended" in app.info[0].value


def test_signing_out_ends_the_session_and_is_logged(workspace, signed_in, events):
    token = signed_in(OFFICER)
    app = started()
    app.button(key="leave").click().run()
    assert not app.title and sessions(workspace).find(token) is None and len(events(Event.SIGNOUT)) == 1


def test_what_one_role_saw_is_gone_in_the_next(workspace, at, signed_in, canary_note):
    app = at(CLINICIAN, "note")
    app.session_state["patient of this session"] = canary_note[0]
    app.run()
    assert CANARY in everything(app)  # so the search would find it
    signed_in(OFFICER)
    for page in ("audit", "training"):
        shown = everything(app.switch_page(f"pages/{page}.py").run())
        assert CANARY not in shown and "Quist" not in shown and not app.error
    assert "note of this session" not in app.session_state


def test_a_decision_is_logged_once_however_often_a_page_runs(workspace, at, events):
    for role, purpose in ((IT, "HOPERAT"), (Role.RESEARCHER, "HRESCH")):
        at(role, "training").run().run()
        seen = [e for e in events(Event.ACCESS_DECIDED) if e["action"] == "view_training" and e["purpose"] == purpose]
        assert len(seen) == 1


def test_no_policy_and_no_hospital_are_sentences(workspace, signed_in):
    signed_in()
    shutil.rmtree(workspace.root / "sites")
    assert started().code[0].value == "confide demo"
    workspace.policy.unlink()
    assert "no policy file, so nothing runs" in started().error[0].value


def test_the_docs_name_every_page_and_what_it_asks_for():
    page = Path(__file__).parents[2] / "docs" / "dashboard.md"
    told = [line.split(" | ")[:2] for line in page.read_text().splitlines() if line.startswith("| ")]
    assert [(name[2:], asked.strip("`")) for name, asked in told][-len(PAGES) :] == [
        (own.title, own.action.value) for own in PAGES
    ]
