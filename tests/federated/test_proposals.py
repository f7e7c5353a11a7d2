"""What the server may ask before a plan runs: counts that were offered and paid, and plans that it signed itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import federated.proposals
from federated.approval import approve, in_force, mark_prepared
from federated.parties import SIMULATED_SITES
from federated.plan import Plan
from federated.proposals import count_for, is_approved, keep_proposal, offer, proposed, write_proposal
from policies.audit import read_entries
from policies.errors import ConfideError, InputError, IntegrityError, StorageError, TrainingError
from policies.events import Event
from policies.guard import Guard, Server, Site, open_server
from policies.workspace import WORKSPACE_VARIABLE, Workspace
from privacy.training.budget import open_ledger
from tests.federated.hospitals import SITES, hospital, plan_for, set_policy


@pytest.fixture
def server(workspace: Workspace, site: Site, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(workspace.root))
    monkeypatch.setenv(SIMULATED_SITES, ",".join(SITES))
    for name in SITES:
        hospital(workspace, name)
    return open_server(workspace)


def test_a_draft_counts_what_was_offered_and_no_more_often(
    workspace: Workspace, server: Server, site: Site, plan: Plan, encoder: object
) -> None:
    document = write_proposal(server.keys, plan)
    with pytest.raises(TrainingError, match="offered no data"):
        count_for(site, plan.digest, document)
    offer(site, workspace.deidentified("north"), counts=1)
    first = count_for(site, plan.digest, document)
    assert first == count_for(site, plan.digest, document)  # the same draft again costs nothing
    other = plan_for(encoder, split_key="another")  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match="as often as was allowed"):
        count_for(site, other.digest, write_proposal(server.keys, other))
    assert len(open_ledger(site).bookings()) == 1
    offer(site, workspace.deidentified("north"), counts=1)
    count_for(site, other.digest, write_proposal(server.keys, other))
    assert len(open_ledger(site).bookings()) == 2


@pytest.mark.parametrize("lie", ["signed by a site", "another digest", "an unknown site", "no document"])
def test_what_the_server_did_not_sign_or_says_otherwise_is_refused_and_logged(
    workspace: Workspace, server: Server, site: Site, plan: Plan, encoder: object, lie: str
) -> None:
    digest, document = plan.digest, write_proposal(server.keys, plan)
    if lie == "signed by a site":
        document = write_proposal(hospital(workspace, "river").keys, plan)
    elif lie == "another digest":
        digest = "ab" * 32
    elif lie == "an unknown site":
        shares = tuple(share.model_copy(update={"name": f"far-{share.name}"}) for share in plan.sites)
        plan = plan.model_copy(update={"sites": shares})
        digest, document = plan.digest, write_proposal(server.keys, plan)
    else:
        document = b"{}"
    with pytest.raises((IntegrityError, TrainingError)) as caught:
        keep_proposal(site, digest, document)
    assert isinstance(caught.value, ConfideError)
    last = read_entries(site.home.audit, site.keys.public)[-1]
    assert (last.event, last.details["reason"]) == (Event.RUN_REFUSED, caught.value.message)
    with pytest.raises(InputError, match="no plan was proposed"):
        proposed(site)


def test_a_proposal_is_found_by_its_first_digits_and_approved_under_the_policy_in_force(
    workspace: Workspace, server: Server, site: Site, plan: Plan
) -> None:
    keep_proposal(site, plan.digest, write_proposal(server.keys, plan))
    assert proposed(site) == proposed(site, plan.digest[:8]) == plan
    with pytest.raises(InputError, match="0 proposed plans"):
        proposed(site, "zz")
    assert not is_approved(site, plan.digest)
    approve(site, plan, workspace.deidentified("north"))
    mark_prepared(site, in_force(site, plan.digest))
    assert is_approved(site, plan.digest)
    set_policy(workspace, most_rounds=50)
    assert not is_approved(hospital(workspace), plan.digest)


def test_a_plan_is_not_called_approved_before_its_cohort_is_prepared_for_that_approval(
    workspace: Workspace, site: Site, plan: Plan
) -> None:
    approve(site, plan, workspace.deidentified("north"))
    assert not is_approved(site, plan.digest)
    mark_prepared(site, in_force(site, plan.digest))
    assert is_approved(site, plan.digest)
    set_policy(workspace, most_rounds=50)
    approve(hospital(workspace), plan, workspace.deidentified("north"))
    assert not is_approved(hospital(workspace), plan.digest)  # the cache is the earlier approval's


def test_what_cannot_be_logged_is_not_in_force(
    workspace: Workspace, site: Site, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Guard.record

    def full(guard: Guard, event: Event, **details: Any) -> None:
        if event in (Event.PLAN_APPROVED, Event.COHORT_OFFERED):
            raise StorageError("the disk is full")
        record(guard, event, **details)

    monkeypatch.setattr(Guard, "record", full)
    for act in (lambda: approve(site, plan, workspace.deidentified("north")), lambda: offer(site, Path("deid"), 1)):
        with pytest.raises(StorageError):
            act()
    assert not site.home.plan(plan.digest).exists()
    assert not site.home.offer.exists()


def test_a_server_fills_no_disk_with_proposals(
    server: Server, site: Site, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(federated.proposals, "MOST_PROPOSALS", 3)
    plans = [plan_for(encoder, seed=seed) for seed in range(5)]
    for plan in plans:
        keep_proposal(site, plan.digest, write_proposal(server.keys, plan))
    assert {path.stem for path in site.home.proposals.iterdir()} == {plan.digest for plan in plans[2:]}
    document = write_proposal(server.keys, plans[0])
    monkeypatch.setattr(federated.proposals, "LARGEST_PROPOSAL", len(document) - 1)
    with pytest.raises(TrainingError, match="bytes; at most"):
        keep_proposal(site, plans[0].digest, document)


def test_a_plan_approved_under_another_version_is_not_approved_now(
    workspace: Workspace, site: Site, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve(site, plan, workspace.deidentified("north"))
    mark_prepared(site, in_force(site, plan.digest))
    monkeypatch.setattr("federated.approval.approved_bundle", lambda: "ab" * 32)
    assert not is_approved(site, plan.digest)
