"""Exactly what the table permits is permitted."""

from __future__ import annotations

import json
from itertools import product

import pytest

from policies import cedar
from policies.access import Access, Action, Conditions, Purpose, checked_access, decide, installed_access, load_access
from policies.errors import PolicyError
from policies.files import sha256_hex, table_of
from policies.policy import Role

DOCTOR, IT, OFFICER, STEWARD, RESEARCHER = Role
CARE = (Purpose.TREATMENT, Purpose.PATIENT_SAFETY, Purpose.PATIENT_REQUEST, Purpose.LEGAL)
ROAD = ("view_training", "view_models", "view_budget")
# role, rule, actions, purposes
PERMITTED = {
    (role, Action(action), purpose): rule
    for role, rule, actions, purposes in [
        (DOCTOR, "clinician-treats", ("extract", "view_note", "correct"), [Purpose.TREATMENT]),
        (DOCTOR, "clinician-breaks-the-glass", ("break_glass",), [Purpose.TREATMENT]),
        (
            IT,
            "it-runs-the-road",
            ("deidentify", "manage_keys", "manage_accounts", "manage_care_teams", "choose_model", "view_policy", *ROAD),
            [Purpose.OPERATIONS],
        ),
        (IT, "it-approves-plans", ("approve_plan", "view_training", "view_budget"), [Purpose.RESEARCH]),
        (IT, "it-trains-for-research", ("train", "sign_model", "evaluate"), [Purpose.RESEARCH]),
        (
            OFFICER,
            "officer-examines",
            ("view_audit", "export_audit", "prune_audit", "review_break_glass", "view_policy", *ROAD),
            [Purpose.OPERATIONS],
        ),
        (DOCTOR, "care-and-officers-ask-for-names", ("request_reidentification", "reidentify"), CARE),
        (OFFICER, "care-and-officers-ask-for-names", ("request_reidentification", "reidentify"), CARE),
        (OFFICER, "officer-approves-names", ("approve_reidentification",), [Purpose.OPERATIONS]),
        (OFFICER, "officer-erases", ("erase",), [Purpose.PATIENT_REQUEST, Purpose.LEGAL]),
        (DOCTOR, "review-of-what-is-left", ("review",), [Purpose.OPERATIONS]),
        (OFFICER, "review-of-what-is-left", ("review",), [Purpose.OPERATIONS]),
        (OFFICER, "officer-certifies", ("draw_review", "certify"), [Purpose.OPERATIONS]),
        (OFFICER, "officer-records", ("record_consent", "record_disclosure"), [Purpose.OPERATIONS]),
        (STEWARD, "steward-approves-plans", ("approve_plan", "view_training", "view_budget"), [Purpose.RESEARCH]),
        (
            STEWARD,
            "steward-keeps-the-data",
            ("deidentify", "draw_review", "record_consent", "manage_care_teams", "view_policy", *ROAD),
            [Purpose.OPERATIONS],
        ),
        (RESEARCHER, "researcher-studies", ("train", "evaluate", *ROAD), [Purpose.RESEARCH]),
    ]
    for action, purpose in product(actions, purposes)
}


@pytest.mark.parametrize("role", Role)
def test_each_role_may_do_exactly_what_the_table_says(role: Role) -> None:
    for action, purpose in product(Action, Purpose):
        decision = decide("alice", [role], action, purpose)
        rule = PERMITTED.get((role, action, purpose))
        assert (decision.permitted, decision.rules) == (rule is not None, (rule,) if rule else ())


def test_without_a_role_nothing_is_permitted() -> None:
    for action, purpose in product(Action, Purpose):
        assert not decide("alice", [], action, purpose).permitted


def test_two_roles_add_up_and_both_rules_are_named() -> None:
    decision = decide("alice", [IT, OFFICER], Action.VIEW_BUDGET, Purpose.OPERATIONS)
    assert decision.rules == ("it-runs-the-road", "officer-examines")


def test_an_account_named_like_a_role_has_no_role() -> None:
    assert not decide("hospital_it", [], Action.TRAIN, Purpose.RESEARCH).permitted


REFUSED = Conditions(frozenset([Purpose.TREATMENT]))
GLASS = Conditions(frozenset([Purpose.TREATMENT]), break_glass=True)


@pytest.mark.parametrize("action", [Action.VIEW_NOTE, Action.EXTRACT])
def test_a_refusal_closes_the_note_and_only_a_clinician_who_broke_the_glass_opens_it(action: Action) -> None:
    assert decide("a", [DOCTOR], action, Purpose.TREATMENT, REFUSED).rules == ("patient-refused",)
    opened = decide("a", [DOCTOR], action, Purpose.TREATMENT, GLASS)
    assert (opened.permitted, opened.rules) == (True, ("break-glass",))
    others = [role for role in Role if role is not DOCTOR]
    assert not any(decide("a", others, action, purpose, GLASS).permitted for purpose in Purpose)
    assert not decide("a", [DOCTOR], action, Purpose.RESEARCH, GLASS).permitted


@pytest.mark.parametrize("action", [Action.VIEW_NOTE, Action.EXTRACT, Action.CORRECT])
def test_who_is_not_on_the_care_team_gets_nothing_but_by_breaking_the_glass(action: Action) -> None:
    assert decide("a", [DOCTOR], action, Purpose.TREATMENT, Conditions(care_team=False)).rules == ()
    opened = decide("a", [DOCTOR], action, Purpose.TREATMENT, Conditions(break_glass=True, care_team=False))
    assert (opened.permitted, opened.rules) == (True, ("break-glass",))


def test_a_name_behind_a_pseudonym_takes_two_persons_and_no_care_team() -> None:
    for action in (Action.REQUEST_REIDENTIFICATION, Action.REIDENTIFY):
        assert decide("a", [DOCTOR], action, Purpose.TREATMENT, Conditions(care_team=False)).permitted


def test_a_refusal_of_another_purpose_closes_nothing() -> None:
    refused = Conditions(frozenset([Purpose.RESEARCH]))
    assert decide("a", [DOCTOR], Action.VIEW_NOTE, Purpose.TREATMENT, refused).permitted


def test_broken_glass_opens_no_name_behind_a_pseudonym() -> None:
    for action in (Action.REQUEST_REIDENTIFICATION, Action.REIDENTIFY):
        assert decide("a", [DOCTOR], action, Purpose.TREATMENT, GLASS).rules == ("patient-refused",)


@pytest.mark.parametrize("action", [Action.APPROVE_REIDENTIFICATION, Action.REVIEW_BREAK_GLASS])
def test_nobody_decides_about_an_own_request(action: Action) -> None:
    decision = decide("a", list(Role), action, Purpose.OPERATIONS, Conditions(own_request=True))
    assert (decision.permitted, decision.rules) == (False, ("two-persons",))


def test_a_decision_names_the_policy_set() -> None:
    decision = decide("alice", [], Action.TRAIN, Purpose.RESEARCH)
    assert decision.policy_set == sha256_hex(installed_access().text.encode())


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("// only a comment\n", 1),
        ("\npermit (", 2),
        ('@id("a")\npermit (principal, action, resource);\n\n@id("b") permit (', 4),
        ('@id("a")\npermit (principal, action, resource)\nwhen { context.x };', 3),
    ],
    ids=["empty", "nothing but a comment", "torn", "torn at its end", "asks for what is not there"],
)
def test_a_policy_set_that_does_not_hold_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(PolicyError, match=rf"own\.cedar: line {line}: "):
        checked_access(text, "own.cedar")


def test_a_rule_that_fails_while_it_is_asked_permits_nothing() -> None:
    text = '@id("a") permit (principal, action, resource);\n@id("b") permit (principal, action, resource) when { %s };'
    overflow = "9223372036854775807 + 1 == context.purpose.length"  # no schema would let it through
    decision = decide("a", list(Role), Action.TRAIN, Purpose.RESEARCH, access=Access(text % overflow))
    assert (decision.permitted, decision.rules) == (False, ())


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path) -> None:
    (tmp_path / "a.cedar").write_bytes(b"\xff")
    for name in ("a.cedar", "none.cedar"):
        with pytest.raises(PolicyError, match=name):
            load_access(tmp_path / name)


def test_schema_and_words_know_every_action_role_and_purpose_and_no_other() -> None:
    from cedarpy import Schema

    assert Schema.from_str(cedar.schema())
    named = set(json.loads("[" + cedar.schema().split("action\n")[1].split("appliesTo")[0] + "]"))
    assert named == set(Action)
    table = table_of("policies", "access")
    assert [set(table[part]) for part in ("actions", "roles", "purposes")] == [set(Action), set(Role), set(Purpose)]


@pytest.mark.parametrize("deep", ["(" * 3000 + "true" + ")" * 3000, " && ".join(["true"] * 3000), "!" * 5000 + "true"])
def test_a_rule_that_goes_too_deep_is_refused_and_ends_no_process(deep: str) -> None:
    """The library descends by recursion: such a rule, checked as it is, ends the dashboard of everybody."""
    text = f'@id("a") permit (principal, action, resource) when {{ {deep} }};'
    with pytest.raises(PolicyError, match="more than 250"):
        checked_access(text, "proposed")
