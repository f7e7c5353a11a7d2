"""The plans page: read, approved and refused by a data steward, and by nobody else."""

from __future__ import annotations

import pytest

from dashboard.view import plans as view
from federated.approval import approve
from federated.parties import SIMULATED_SITES
from federated.proposals import is_approved, keep_proposal, offer, write_proposal
from policies.access import Purpose
from policies.audit import read_entries
from policies.errors import AccessDenied, InputError
from policies.events import Event
from policies.guard import account_name, open_server, open_site
from policies.policy import Role
from policies.workspace import WORKSPACE_VARIABLE
from tests.clinical.encoders import save_encoder
from tests.clinical.notes import WORDS
from tests.federated.hospitals import SITES, hospital, new_workspace, plan_for


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return save_encoder(tmp_path_factory.mktemp("plans") / "bert", "bert", WORDS)


@pytest.fixture
def north(tmp_path, monkeypatch):
    """A hospital that offered data."""
    made = new_workspace(tmp_path / "workspace")
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(made.root))
    monkeypatch.setenv(SIMULATED_SITES, ",".join(SITES))
    site = hospital(made)
    offer(site, made.deidentified("north"), counts=1)
    return made, site


@pytest.fixture
def propose(north, encoder):
    def proposed(**changes):
        made, site = north
        plan = plan_for(encoder, **changes)
        keep_proposal(site, plan.digest, write_proposal(open_server(made).keys, plan))
        return plan

    return proposed


def logged(site, event):
    return [one.details for one in read_entries(site.home.audit, site.keys.public) if one.event == event]


def test_a_steward_reads_a_plan_and_approves_it(north, propose, at):
    site, plan = north[1], propose()
    app = at(Role.DATA_STEWARD, "plans", purpose=Purpose.RESEARCH)
    said = " ".join(text.value for text in app.markdown)
    assert (
        not app.error and "in 2 rounds at north, river, summit" in said and "waits for a decision" in str(app.selectbox)
    )
    numbers = {metric.label: metric.value for metric in app.metric}
    assert numbers["Epsilon of each patient now"] == "0.000" and 2 < float(numbers["After the plan, for good"]) < 8
    assert float(numbers["Left then"]) == pytest.approx(8 - float(numbers["After the plan, for good"]))
    app.button(key="approve").click().run()
    assert not app.error and is_approved(site, plan.digest) and "is approved" in app.success[0].value
    assert logged(site, Event.PLAN_APPROVED)[0]["plan"] == plan.digest
    assert not [button for button in app.button if button.key in ("approve", "refuse")]


def test_a_refusal_has_a_reason_and_stands_in_the_log(north, propose, at):
    site, plan = north[1], propose()
    app = at(Role.DATA_STEWARD, "plans", purpose=Purpose.RESEARCH)
    app.button(key="refuse").click().run()
    (said,) = logged(site, Event.PLAN_REFUSED)
    assert (said["plan"], said["reason"]) == (plan.digest, "it costs too much of the privacy budget")
    assert "is refused" in app.success[0].value and app.dataframe[0].value.iloc[0]["Decision"] == "refused"
    assert app.button(key="approve") and not is_approved(site, plan.digest)  # people may change their minds


def test_a_plan_beyond_a_cap_can_be_refused_alone(propose, at):
    propose(sigma="0.1")
    app = at(Role.DATA_STEWARD, "plans", purpose=Purpose.RESEARCH)
    assert "cannot train by it" in app.error[0].value and app.button(key="refuse")
    assert not [button for button in app.button if button.key == "approve"]


def test_hospital_it_reads_a_plan_and_does_not_decide(propose, at):
    propose()
    app = at(Role.HOSPITAL_IT, "plans")
    assert not app.error and app.metric
    said = app.info[0].value.replace("\\", "")
    assert f"data steward ({account_name()})" in said and "HRESCH" in said and "Change role or purpose" in said
    assert not [button for button in app.button if button.key in ("approve", "refuse")]


def test_a_steward_who_is_here_for_operations_does_not_decide(propose, at):
    propose()
    app = at(Role.DATA_STEWARD, "plans", purpose=Purpose.OPERATIONS)
    assert not app.error and app.info and not [one for one in app.button if one.key in ("approve", "refuse")]
    app = at(Role.DATA_STEWARD, "plans", purpose=Purpose.RESEARCH)
    assert [one for one in app.button if one.key == "refuse"]


def test_a_proposal_that_was_edited_is_a_sentence(north, propose, at):
    site, plan = north[1], propose()
    path = site.home.proposals / f"{plan.digest}.json"
    path.write_bytes(path.read_bytes().replace(b'"sigma":"2.0"', b'"sigma":"0.2"'))
    app = at(Role.DATA_STEWARD, "plans", purpose=Purpose.RESEARCH)
    assert plan.digest[:16] in app.error[0].value and not app.selectbox


def test_without_a_proposal_the_page_says_how_one_comes(workspace, at):
    app = at(Role.DATA_STEWARD, "plans", purpose=Purpose.RESEARCH)
    assert app.code[0].value == "confide site offer DEID" and not app.error


def test_a_clinician_is_denied(workspace, at):
    assert "no policy lets" in at(Role.CLINICIAN, "plans").error[0].value


def test_refusing_asks_the_policy_itself_and_an_approved_plan_is_not_refused(north, propose):
    made, site = north
    plan = propose()
    with pytest.raises(AccessDenied):
        view.refuse(open_site(made, "north", account_name(), Role.RESEARCHER), plan, view.REASONS[0])
    assert not logged(site, Event.PLAN_REFUSED)
    approve(site, plan, made.deidentified("north"))
    with pytest.raises(InputError, match="approved here already"):
        view.refuse(site, plan, view.REASONS[0])
    (found, *_), _ = view.proposals(site)
    assert found.standing is view.Standing.LAPSED  # not prepared yet
