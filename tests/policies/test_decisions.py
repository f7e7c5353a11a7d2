"""Words, warnings and replays agree with what the engine decides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from policies.access import Access, Action, Purpose, checked_access, installed_access
from policies.audit import entries
from policies.decisions import Change, explain, explain_policy, people_warnings, replay, warnings
from policies.errors import AccessDenied
from policies.events import Event
from policies.guard import open_site
from policies.policy import Role, default_policy_text, load_policy
from policies.workspace import Workspace

HEAD = "permit (principal, action, resource)"
INSTALLED = installed_access().text


def own(text: str) -> Access:
    return checked_access(text, "own.cedar")


def without(rule: str) -> Access:
    """The installed set without one rule."""
    begin = INSTALLED.index(f'@id("{rule}")')
    return own(INSTALLED[:begin] + INSTALLED[INSTALLED.index(";\n", begin) + 2 :])


TEAMLESS = own(INSTALLED.replace("context.care_team && ", ""))


def test_what_a_clinician_may_is_said_with_purpose_and_limits() -> None:
    (line,) = [line for line in explain([Role.CLINICIAN], installed_access()) if "note and name" in line]
    assert line.startswith("for treatment of the patient (TREAT): have facts read out of a note, read")
    limits = "; only for patients whose care team one is on, unless the glass is broken"
    assert line.endswith(f"{limits}; not where the patient refused that, unless the glass is broken")
    (line,) = [line for line in explain([Role.COMPLIANCE_OFFICER], installed_access()) if "broke the glass" in line]
    assert line.endswith("; not about an own request")


def test_words_follow_the_rules() -> None:
    assert not any("a note" in line for line in explain([Role.CLINICIAN], without("clinician-treats")))
    line = next(line for line in explain([Role.CLINICIAN], without("break-glass")) if "read out of" in line)
    assert "unless" not in line and "care team" in line
    line = next(line for line in explain([Role.CLINICIAN], TEAMLESS) if "read out of" in line)
    assert "care team" not in line
    line = next(line for line in explain([Role.CLINICIAN], without("patient-refused")) if "pseudonym" in line)
    assert "refused" not in line


def test_a_researcher_never_sees_notes_or_names() -> None:
    said = " ".join(explain([Role.RESEARCHER], installed_access()))
    assert "train" in said and "note" not in said and "pseudonym" not in said


def test_the_whole_policy_names_who_holds_a_role_and_what_nobody_may(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(default_policy_text("alice"))
    lines = explain_policy(load_policy(path), installed_access())
    assert lines[0] == "Clinician (alice) may" and lines[-2:] == ["Whoever has no role may", "  nothing"]


def test_the_installed_set_has_no_warning() -> None:
    assert warnings(installed_access()) == []


@pytest.mark.parametrize(
    ("added", "warned"),
    [
        (f'@id("x") {HEAD};', "whoever has no role may do everything for every purpose"),
        (f'@id("x") {HEAD};', "the rule 'x' permits for any purpose"),
        (f'@id("x") {HEAD} when {{ principal in Role::"researcher" }};', "the role researcher may do everything"),
        (
            '@id("x") permit (principal, action == Action::"train", resource) when { context.purpose == "TREAT" };',
            "whoever has no role may train on de-identified cohorts for TREAT",
        ),
        (
            '@id("x") permit (principal in Role::"clinician", action == Action::"train", resource);',
            "the role clinician may train on de-identified cohorts for every purpose",
        ),
    ],
)
def test_what_is_allowed_by_accident_is_warned_of(added: str, warned: str) -> None:
    assert any(warned in warning for warning in warnings(own(INSTALLED + added)))


@pytest.mark.parametrize(
    ("rule", "warned"), [("two-persons", "about an own request"), ("patient-refused", "although the patient refused")]
)
def test_a_missing_safeguard_is_warned_of(rule: str, warned: str) -> None:
    found = warnings(without(rule))
    assert found and all(warned in warning for warning in found)


def test_rules_of_before_there_were_care_teams_are_warned_of() -> None:
    found = warnings(TEAMLESS)
    assert len(found) == 3 and all(one.endswith("for TREAT without being on the care team") for one in found)


def test_a_replay_knows_who_was_not_on_the_care_team(workspace: Workspace) -> None:
    guard = open_site(workspace, "north", "alice").guard
    with pytest.raises(AccessDenied):
        guard.permit(Action.VIEW_NOTE, Purpose.TREATMENT, patient="p1")
    guard.permit(Action.VIEW_NOTE, Purpose.TREATMENT)
    logged = list(entries(guard.log.folder, guard.log.key))
    assert replay(logged, installed_access()).changes == {}
    opened = Change("alice", Action.VIEW_NOTE, Purpose.TREATMENT, True, (), ("clinician-treats",))
    assert replay(logged, TEAMLESS).changes == {opened: 1}


def test_one_person_with_both_halves_of_a_decision_is_warned_of(tmp_path: Path) -> None:
    path, text = tmp_path / "policy.toml", default_policy_text("alice")
    path.write_text(
        text.replace(
            "[people]",
            '[people]\nbob = ["clinician", "compliance_officer"]\neve = ["clinician"]\n'
            'rob = ["clinician", "hospital_it"]',
        )
    )
    assert [warning.split(" ")[0] for warning in people_warnings(load_policy(path), installed_access())] == [
        "'alice'",
        "'bob'",
        "'rob'",
    ]


def test_a_replay_turns_what_a_proposal_would_turn_and_nothing_else(workspace: Workspace) -> None:
    guard = open_site(workspace, "north", "alice").guard
    for _ in range(2):
        guard.permit(Action.TRAIN, Purpose.RESEARCH)
    with pytest.raises(AccessDenied):
        guard.permit(Action.TRAIN, Purpose.TREATMENT)
    with pytest.raises(AccessDenied):
        guard.permit(Action.REIDENTIFY, Purpose.TREATMENT, patient="p1", consent_denied=[Purpose.TREATMENT])
    with pytest.raises(AccessDenied):
        guard.permit(Action.APPROVE_REIDENTIFICATION, Purpose.OPERATIONS, requester="alice")
    guard.record(Event.ACCESS_DENIED, action="reidentify", purpose="TREAT", request="r1", why="expired")
    logged = list(entries(guard.log.folder, guard.log.key))
    assert replay(logged, installed_access()).changes == {}

    found = replay(logged, without("patient-refused"))
    names = ("care-and-officers-ask-for-names",)
    opened = Change("alice", Action.REIDENTIFY, Purpose.TREATMENT, True, ("patient-refused",), names)
    assert (found.decisions, found.left_out, found.changes) == (5, 1, {opened: 1})

    now = replay(logged, own('@id("x") permit (principal, action, resource) when { context.purpose == "TREAT" };'))
    before = ("it-trains-for-research", "researcher-studies")
    lost = Change("alice", Action.TRAIN, Purpose.RESEARCH, False, before, ())
    won = Change("alice", Action.TRAIN, Purpose.TREATMENT, True, (), ("x",))
    assert now.changes == {lost: 2, won: 1, replace(opened, after=("x",)): 1}
    officer = ("officer-approves-names",)
    own_one = Change("alice", Action.APPROVE_REIDENTIFICATION, Purpose.OPERATIONS, True, ("two-persons",), officer)
    assert replay(logged, without("two-persons")).changes == {own_one: 1}


def test_what_a_rule_gives_to_one_person_is_warned_of_and_explained(tmp_path: Path) -> None:
    head = HEAD.replace("principal", 'principal == Person::"eve"')
    rule = f'@id("x") {head} when {{ context.purpose like "*" }};'
    access = own(INSTALLED + rule)
    assert "'eve' may do everything for every purpose" in warnings(access)
    assert any("'eve' may read a patient's note" in warning and "refused" in warning for warning in warnings(own(rule)))
    path = tmp_path / "policy.toml"
    path.write_text(default_policy_text("alice"))
    policy = load_policy(path)
    assert "a rule names 'eve', who has no role" in people_warnings(policy, access)
    assert "eve (no role), whom a rule names, may" in explain_policy(policy, access)


def test_what_a_role_gains_over_the_installed_set_is_warned_of() -> None:
    added = '@id("x") permit (principal in Role::"researcher", action == Action::"view_note", resource)'
    gained = "the role researcher may read a patient's note and name for TREAT; the installed rules do not give that"
    assert gained in warnings(own(f'{INSTALLED}{added} when {{ context.purpose == "TREAT" }};'))
    both = added.replace('principal in Role::"researcher"', 'principal == Person::"eve"')
    both += ' when { principal in Role::"researcher" && context.purpose == "TREAT" };'
    assert any("'eve' with the role researcher may read" in warning for warning in warnings(own(INSTALLED + both)))


@pytest.mark.parametrize(
    ("written", "instead", "warned"),
    [
        ('Role::"clinician"', 'Role::"clinicain"', "there is no role 'clinicain'"),
        ('"TREAT"', '"TREATT"', "there is no purpose 'TREATT'"),
        ('Role::"clinician"', r'Person::"\x65ve"', "is written with an escape"),
    ],
)
def test_a_name_that_does_not_exist_is_warned_of_with_its_line(written: str, instead: str, warned: str) -> None:
    found = warnings(own(f'// "no name"\n{INSTALLED.replace(written, instead)}'))
    line = next(n for n, text in enumerate(INSTALLED.splitlines(), 2) if written in text)
    assert any(warning.startswith(f"line {line}: ") and warned in warning for warning in found)
    assert not any("'no name'" in warning or "'break-glass'" in warning for warning in found)
