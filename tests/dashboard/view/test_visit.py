"""What a visit may do, and when it may no more: a page on the screen outlives its session."""

from __future__ import annotations

import ast

import pytest

from dashboard.pages import later, permit
from dashboard.signin import sessions
from dashboard.view import audit, plans
from dashboard.view import policy as policy_view
from dashboard.view.visit import Visit, VisitGuard, choices
from federated.approval import approve
from policies.access import Action, Purpose
from policies.auditindex import Search
from policies.errors import AccessDenied
from policies.events import Event
from policies.guard import account_name
from policies.policy import Role
from policies.report import Document
from policies.sessions import Choice
from policies.workspace import SERVER
from tests.dashboard.conftest import the_plan
from tests.dashboard.running import DASHBOARD

OFFICER = Choice(Role.COMPLIANCE_OFFICER, Purpose.OPERATIONS, "north")
STEWARD = Choice(Role.DATA_STEWARD, Purpose.OPERATIONS, "north")


@pytest.fixture
def visiting(workspace):
    """Begins a session and gives its visit."""

    def begin(choice=OFFICER):
        kept = sessions(workspace)
        token = kept.begin(account_name())
        kept.choose(token, choice)
        return Visit(workspace, account_name(), choice, token)

    return begin


ENDINGS = {
    "signed out": lambda kept, token, let: kept.end(token),
    "account removed": lambda kept, token, let: kept.end_all(account_name()),
    "another role": lambda kept, token, let: kept.choose(token, STEWARD),
    "another purpose": lambda kept, token, let: kept.choose(token, Choice(OFFICER.role, Purpose.LEGAL, OFFICER.site)),
    "no choice": lambda kept, token, let: kept.choose(token, None),
    "a role taken away": lambda kept, token, let: let("compliance_officer"),
}


@pytest.mark.parametrize("how", ENDINGS)
def test_what_a_page_drew_before_acts_no_more(workspace, site, visiting, let, events, how):
    visit, done = visiting(), []
    ours, servers = audit.open_log(visit), audit.open_log(visit, SERVER)
    assert audit.export(ours, Search(), ".csv") and len(events(Event.AUDIT_EXPORTED)) == 1  # while it goes on
    permit(visit, Action.VIEW_AUDIT)  # logged, so that it is asked without an entry from now on
    ENDINGS[how](sessions(workspace), visit.token, let)
    for act in (
        lambda: audit.export(ours, Search(), ".csv"),
        lambda: audit.export(servers, Search(), ".csv"),
        lambda: policy_view.document(ours, visit.site, Document.DPIA),
        lambda: permit(visit, Action.VIEW_AUDIT),
    ):
        with pytest.raises(AccessDenied, match="session ended, or goes on as something else"):
            act()
    later(visit, done.append, 1)()
    assert len(events(Event.AUDIT_EXPORTED)) == 1 and not done


def test_a_callback_acts_while_the_session_goes_on(visiting):
    done = []
    later(visiting(), done.append, 1)()
    assert done == [1]


def test_every_callback_of_a_page_goes_through_the_same_question():
    """One that did not would act for a session that ended; a download that is made on request asks its guard."""
    for file in DASHBOARD.glob("pages/*.py"):
        for call in (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)):
            for given in call.keywords:
                if given.arg in ("on_click", "on_change", "on_submit"):
                    assert ast.unparse(given.value).startswith("later(visit, "), (file.name, ast.unparse(call))
                assert given.arg != "on_select" or ast.unparse(given.value) == "'rerun'"


def test_the_purpose_of_the_session_binds_every_act(visiting, workspace, events):
    """The steward may approve plans for research, and is here for operations."""
    visit, plan = visiting(STEWARD), the_plan()
    assert choices(workspace, sessions(workspace).find(visit.token))
    for act in (
        lambda: plans.refuse(visit.site, plan, plans.REASONS[0]),
        lambda: approve(visit.site, plan, workspace.deidentified("north")),
    ):
        with pytest.raises(AccessDenied, match=r"is for research \(HRESCH\), and this session for") as refused:
            act()
        assert "Change role or purpose" in refused.value.hint and "compliance officer" in refused.value.hint
    assert [one["purpose"] for one in events(Event.ACCESS_DENIED)] == ["HRESCH"] * 2
    assert not events(Event.PLAN_REFUSED) and not plans.may_decide(visit.site)
    research = visiting(Choice(Role.DATA_STEWARD, Purpose.RESEARCH, "north"))
    assert plans.may_decide(research.site)


def test_site_and_server_are_opened_for_the_visit_and_no_token_is_told(visiting):
    visit = visiting()
    for opened in (visit.site, visit.server):
        assert isinstance(opened.guard, VisitGuard) and opened.guard.roles == {Role.COMPLIANCE_OFFICER}
        assert visit.token not in repr(opened)
    assert visit.token not in repr(visit)
