"""The policy is asked first, and the log holds what happened."""

from __future__ import annotations

import os
import pwd

import pytest

from policies.access import Action, Purpose
from policies.care_team import Member
from policies.errors import AccessDenied, PolicyError
from policies.events import Event
from policies.grants import Grant
from policies.guard import account_name, open_server, open_site
from policies.policy import Role, default_policy_text, load_policy
from policies.workspace import Workspace
from tests.policies.logs import after_policy as read_entries


def test_opening_makes_keys_and_a_log_and_opens_them_again(workspace: Workspace) -> None:
    first, second = open_site(workspace, "north", "alice"), open_site(workspace, "north", "alice")
    assert first.name == "north"
    assert first.keys.public == second.keys.public
    assert open_server(workspace, "alice").keys.public.raw != first.keys.public.raw


def test_without_a_policy_nothing_is_made(workspace: Workspace) -> None:
    workspace.policy.unlink()
    with pytest.raises(PolicyError):
        open_site(workspace, "north", "alice")
    assert list(workspace.root.iterdir()) == []


def test_what_is_permitted_goes_on(workspace: Workspace) -> None:
    site = open_site(workspace, "north", "alice")
    site.guard.permit(Action.TRAIN, Purpose.RESEARCH)
    (entry,) = read_entries(site.home.audit, site.keys.public)
    assert entry.event is Event.ACCESS_DECIDED
    assert entry.details == {
        "action": "train",
        "purpose": "HRESCH",
        "roles": sorted(Role),
        "rules": ["it-trains-for-research", "researcher-studies"],
        "policy_set": site.guard.access.digest,
        "policy": site.guard.policy.digest,
    }


def test_asking_without_consequence_is_not_logged(workspace: Workspace) -> None:
    site = open_site(workspace, "north", "alice")
    assert site.guard.decide(Action.TRAIN, Purpose.RESEARCH).permitted
    assert read_entries(site.home.audit, site.keys.public) == []


@pytest.mark.parametrize(
    ("role", "purpose"),
    [(Role.RESEARCHER, Purpose.RESEARCH), (Role.HOSPITAL_IT, Purpose.OPERATIONS), (Role.CLINICIAN, Purpose.OPERATIONS)],
)
def test_the_first_purpose_for_which_one_may_is_taken(workspace: Workspace, role: Role, purpose: Purpose) -> None:
    people = f'[people]\nrita = ["{role.value}"]\n'
    workspace.policy.write_text(default_policy_text("nobody").replace("[people]\n", people))
    guard = open_site(workspace, "north", "rita").guard
    assert guard.purpose_for(Action.VIEW_MODELS, Purpose.OPERATIONS, Purpose.RESEARCH) is purpose


def test_a_refusal_of_the_patient_is_denied_with_its_rule_and_who_asked_counts(workspace: Workspace) -> None:
    site = open_site(workspace, "north", "alice")
    with pytest.raises(AccessDenied, match="the rule 'patient-refused' does not let"):
        site.guard.permit(Action.VIEW_NOTE, Purpose.TREATMENT, patient="p1", consent_denied=[Purpose.TREATMENT])
    site.guard.permit(Action.APPROVE_REIDENTIFICATION, Purpose.OPERATIONS, requester="bob")
    with pytest.raises(AccessDenied, match="two-persons"):
        site.guard.permit(Action.APPROVE_REIDENTIFICATION, Purpose.OPERATIONS, requester="alice")
    refused, other, own = (entry.details for entry in read_entries(site.home.audit, site.keys.public))
    assert (refused["patient"], refused["consent_denied"], refused["rules"]) == ("p1", ["TREAT"], ["patient-refused"])
    assert "own_request" not in other and own["own_request"] is True


def test_a_patient_of_others_is_closed_until_the_glass_is_broken_and_the_log_says_which(workspace: Workspace) -> None:
    site = open_site(workspace, "north", "alice")
    with pytest.raises(AccessDenied, match="not on the care team of this patient") as denied:
        site.guard.permit(Action.VIEW_NOTE, Purpose.TREATMENT, patient="p1")
    assert "confide care-team add" in denied.value.hint
    assert not site.guard.would_permit(Action.VIEW_NOTE, Purpose.TREATMENT, "p1")
    site.guard.care_teams.change([Member("p1", "alice")])
    site.guard.permit(Action.VIEW_NOTE, Purpose.TREATMENT, patient="p1")
    site.guard.care_teams.change([], [Member("p1", "alice")])
    grant = Grant("g1", "p1", "alice", "2026-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00", "")
    site.guard.grants.write(grant, site.guard.grants.signed(grant))
    site.guard.permit(Action.VIEW_NOTE, Purpose.TREATMENT, patient="p1")
    stranger, member, glass = (entry.details for entry in read_entries(site.home.audit, site.keys.public))
    assert (stranger["care_team"], "care_team" in member, glass["care_team"]) == (False, False, False)
    assert (member["rules"], glass["rules"], glass["break_glass"]) == (["clinician-treats"], ["break-glass"], "g1")


def test_who_has_no_role_is_not_told_of_care_teams(workspace: Workspace) -> None:
    with pytest.raises(AccessDenied, match=r"no policy lets 'eve' \(roles: none\)"):
        open_site(workspace, "north", "eve").guard.permit(Action.VIEW_NOTE, Purpose.TREATMENT, patient="p1")


def test_the_hospitals_own_access_policy_stands_in_the_place_of_the_installed_one(workspace: Workspace) -> None:
    workspace.access.write_text(
        '@id("own") permit (principal in Role::"clinician", action == Action::"erase", resource)\n'
        'when { context.purpose == "TREAT" };\n'
    )
    site = open_site(workspace, "north", "alice")
    site.guard.permit(Action.ERASE, Purpose.TREATMENT)
    with pytest.raises(AccessDenied):
        site.guard.permit(Action.TRAIN, Purpose.RESEARCH)
    assert read_entries(site.home.audit, site.keys.public)[0].details["rules"] == ["own"]


def test_an_access_policy_that_is_torn_or_that_others_could_have_written_lets_nothing_run(workspace: Workspace) -> None:
    workspace.access.write_text("permit (")
    with pytest.raises(PolicyError, match=r"access\.cedar: line 1"):
        open_site(workspace, "north", "alice")
    workspace.access.write_text('@id("a") permit (principal, action, resource) when { context.purpose == "TREAT" };')
    workspace.access.chmod(0o662)
    with pytest.raises(PolicyError, match="another account"):
        open_site(workspace, "north", "alice")
    assert not (workspace.root / "sites").exists()


def test_an_access_policy_that_is_a_link_to_nowhere_is_no_absence(workspace: Workspace) -> None:
    workspace.access.symlink_to(workspace.root / "gone.cedar")
    with pytest.raises(PolicyError, match="cannot be read"):
        open_site(workspace, "north", "alice")


@pytest.mark.parametrize(("actor", "purpose"), [("mallory", Purpose.RESEARCH), ("alice", Purpose.TREATMENT)])
def test_a_denial_is_raised_and_logged(workspace: Workspace, actor: str, purpose: Purpose) -> None:
    site = open_site(workspace, "north", actor)
    with pytest.raises(AccessDenied, match=f"'{actor}' .* train for {purpose}") as caught:
        site.guard.permit(Action.TRAIN, purpose)
    assert "the compliance officer" in caught.value.hint
    (entry,) = read_entries(site.home.audit, site.keys.public)
    assert (entry.event, entry.actor) == (Event.ACCESS_DENIED, actor)
    assert (entry.details["action"], entry.details["purpose"]) == ("train", purpose)
    assert len(entry.details["policy_set"]) == 64


def test_every_record_names_actor_and_policy_in_force(workspace: Workspace) -> None:
    site = open_site(workspace, "north", "alice")
    site.guard.record(Event.EXPORT_READ, notes=3)
    (entry,) = read_entries(site.home.audit, site.keys.public)
    assert entry.actor == "alice"
    assert entry.details == {"notes": 3, "policy": load_policy(workspace.policy).digest}


def test_the_account_is_that_of_the_operating_system_whatever_the_environment_claims(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(variable, "alice")
    workspace.policy.write_text(default_policy_text("someone-else"))
    assert account_name() == pwd.getpwuid(os.getuid()).pw_name
    assert open_site(workspace, "north").guard.actor == account_name()


def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_000_001)
    assert account_name() == "uid-4000001"


def test_through_a_service_account_the_caller_acts_and_no_named_person_can_pose_as_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = account_name()
    monkeypatch.setenv("SUDO_UID", "4000001")
    assert account_name(people={"uid-4000001"}) == "uid-4000001"
    assert account_name(people={own, "uid-4000001"}) == own
    monkeypatch.setenv("SUDO_UID", "root; id")
    assert account_name(people={"uid-4000001"}) == own


def test_a_policy_that_others_could_have_written_decides_nothing(workspace: Workspace) -> None:
    workspace.policy.chmod(0o664)
    with pytest.raises(PolicyError, match="another account"):
        open_site(workspace, "north", "alice")
    assert not (workspace.root / "sites").exists()
