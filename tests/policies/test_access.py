"""Exactly what the table permits is permitted."""

from __future__ import annotations

from itertools import product

import pytest

from policies.access import Action, Purpose, access_policies, decide
from policies.files import sha256_hex
from policies.policy import Role

IT, OFFICER = Role.HOSPITAL_IT, Role.COMPLIANCE_OFFICER
PERMITTED = {
    **{
        (Role.CLINICIAN, action, Purpose.TREATMENT): "clinician-treats" for action in (Action.EXTRACT, Action.VIEW_NOTE)
    },
    **{
        (IT, action, Purpose.OPERATIONS): "it-runs-the-road"
        for action in (Action.DEIDENTIFY, Action.VIEW_TRAINING, Action.VIEW_MODELS, Action.VIEW_BUDGET)
    },
    **{
        (IT, action, Purpose.RESEARCH): "it-trains-for-research"
        for action in (Action.TRAIN, Action.SIGN_MODEL, Action.EVALUATE)
    },
    **{
        (OFFICER, action, Purpose.OPERATIONS): "officer-examines"
        for action in (
            Action.VIEW_AUDIT,
            Action.EXPORT_AUDIT,
            Action.VIEW_TRAINING,
            Action.VIEW_MODELS,
            Action.VIEW_BUDGET,
        )
    },
    **{
        (role, action, purpose): "care-and-officers-ask-for-names"
        for role in (Role.CLINICIAN, OFFICER)
        for action in (Action.REQUEST_REIDENTIFICATION, Action.REIDENTIFY)
        for purpose in (Purpose.TREATMENT, Purpose.PATIENT_SAFETY, Purpose.PATIENT_REQUEST, Purpose.LEGAL)
    },
    (OFFICER, Action.APPROVE_REIDENTIFICATION, Purpose.OPERATIONS): "officer-approves-names",
    **{(OFFICER, Action.ERASE, purpose): "officer-erases" for purpose in (Purpose.PATIENT_REQUEST, Purpose.LEGAL)},
    **{(role, Action.REVIEW, Purpose.OPERATIONS): "review-of-what-is-left" for role in (Role.CLINICIAN, OFFICER)},
    (OFFICER, Action.CERTIFY, Purpose.OPERATIONS): "officer-certifies",
}


@pytest.mark.parametrize("role", Role)
def test_each_role_may_do_exactly_what_the_table_says(role: Role) -> None:
    for action, purpose in product(Action, Purpose):
        decision = decide("alice", [role], action, purpose)
        policy = PERMITTED.get((role, action, purpose))
        assert (decision.permitted, decision.policies) == (policy is not None, (policy,) if policy else ())


def test_without_a_role_nothing_is_permitted() -> None:
    for action, purpose in product(Action, Purpose):
        assert not decide("alice", [], action, purpose).permitted


def test_two_roles_add_up_and_both_policies_are_named() -> None:
    decision = decide("alice", [IT, OFFICER], Action.VIEW_BUDGET, Purpose.OPERATIONS)
    assert decision.policies == ("it-runs-the-road", "officer-examines")


def test_an_account_named_like_a_role_has_no_role() -> None:
    assert not decide("hospital_it", [], Action.TRAIN, Purpose.RESEARCH).permitted


def test_a_decision_names_the_policy_set() -> None:
    decision = decide("alice", [], Action.TRAIN, Purpose.RESEARCH)
    assert decision.policy_set == sha256_hex(access_policies().encode())


@pytest.mark.parametrize(
    "policies",
    [
        "",
        "permit (",
        access_policies() + "permit (",
        '@id("all") permit (principal, action, resource); permit (principal, action, resource) when { context.x };',
    ],
    ids=["empty", "torn", "torn at its end", "one that fails"],
)
def test_a_policy_set_that_does_not_hold_permits_nothing(policies: str) -> None:
    decision = decide("alice", list(Role), Action.TRAIN, Purpose.RESEARCH, policies)
    assert not decision.permitted
    assert decision.policies == ()
