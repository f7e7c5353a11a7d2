"""What a patient refused stays refused: each shape of FHIR Consent, in whatever order the resources arrive."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.access import Purpose
from privacy.consent import ASKED, Consent, Word, allows, merged, read_consents, refusal

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TREAT, RESEARCH = Purpose.TREATMENT, Purpose.RESEARCH
ALL = set(ASKED)


def resource(scope: str = "research", **fields: Any) -> dict[str, Any]:
    coded = {"coding": [{"code": scope}]}
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": coded,
        "patient": {"reference": "Patient/p1"},
    } | fields


def coded(*purposes: str) -> list[dict[str, str]]:
    return [{"code": purpose} for purpose in purposes]


def of(*resources: dict[str, Any]) -> Consent:
    return read_consents(resources, NOW).by_id.get("p1", {})


def said(consent: Consent, allowed: bool) -> set[Purpose]:
    return {purpose for purpose, word in consent.items() if word.allowed is allowed}


@pytest.mark.parametrize(
    ("fields", "denied", "given"),
    [
        ({"provision": {"type": "deny"}}, {RESEARCH}, set()),
        ({"provision": {"type": "permit"}}, set(), {RESEARCH}),
        ({"policyRule": {"coding": coded("OPTOUT")}}, {RESEARCH}, set()),
        ({"policyRule": {"coding": coded("OPTIN")}}, set(), {RESEARCH}),
        ({"decision": "deny"}, {RESEARCH}, set()),
        ({"decision": "permit", "provision": [{"purpose": coded("HRESCH")}]}, {RESEARCH}, set()),
        ({"status": "rejected"}, {RESEARCH}, set()),
        ({"policyRule": {"coding": coded("OPTOUTE")}}, {RESEARCH}, set()),
        ({"policyRule": {"coding": coded("OPTINR")}}, set(), set()),
        ({"provision": {"type": "deny", "purpose": coded("DSRCH")}}, {RESEARCH}, set()),
        ({"provision": {"type": "deny", "purpose": coded("TREAT", "DSRCH")}}, {TREAT, RESEARCH}, set()),
        ({"provision": {"type": "permit", "purpose": coded("DSRCH")}}, set(), set()),
        ({"provision": {"type": "permit", "period": {"start": "2030-01-01"}}}, set(), set()),
        ({"status": "inactive", "provision": {"type": "permit"}}, {RESEARCH}, set()),
        ({"status": "draft", "provision": {"type": "permit"}}, set(), set()),
        ({}, set(), set()),
        ({"provision": {"type": "permit", "period": {"end": "2027-12-31"}}}, set(), {RESEARCH}),
        ({"provision": {"type": "deny", "period": {"end": "2025-12-31"}}}, {RESEARCH}, set()),
        ({"provision": {"type": "permit", "actor": [{"reference": {"reference": "Practitioner/1"}}]}}, set(), set()),
        ({"provision": {"type": "deny", "data": [{"meaning": "instance"}]}}, {RESEARCH}, set()),
        ({"provision": {"type": "permit", "purpose": coded("TREAT", "HRESCH")}}, set(), {TREAT, RESEARCH}),
        ({"provision": "no"}, ALL, set()),
    ],
)
def test_one_resource(fields: dict[str, Any], denied: set[Purpose], given: set[Purpose]) -> None:
    found = of(resource(**fields))
    assert (said(found, False), said(found, True)) == (denied, given)


def test_exceptions_stand_above_the_base_rule() -> None:
    exception = {"type": "deny", "purpose": coded("HRESCH")}
    both = of(resource("patient-privacy", provision={"type": "permit", "provision": [exception]}))
    assert (said(both, False), said(both, True)) == ({RESEARCH}, {TREAT})
    within = {"type": "permit", "purpose": coded("HRESCH", "TREAT"), "provision": [exception]}
    assert RESEARCH in said(of(resource("patient-privacy", provision={"type": "deny", "provision": [within]})), False)


def test_of_an_unknown_scope_a_refusal_is_of_everything_and_a_permission_of_nothing() -> None:
    assert said(of(resource("adr", provision={"type": "deny"})), False) == ALL
    assert of(resource("adr", provision={"type": "permit"})) == {}


@pytest.mark.parametrize(
    ("yes", "no", "refused"),
    [
        ("2026-01-05", "2026-02-01", True),
        ("2026-02-01", "2026-01-05", False),
        ("2026-01-05", "2026-01-05", True),
        ("2026-01-05T23:00:00Z", "2026-01-05", True),
        ("2026-01-02T01:00:00+00:00", "2026-01-01T23:00:00-05:00", True),
        ("2026-02-01", None, True),
        (None, "2020", True),
        ("2030-01-01", None, True),
        ("soon", "2020", True),
    ],
)
def test_the_newest_word_counts_in_whatever_order_it_arrives(yes: str | None, no: str | None, refused: bool) -> None:
    both = [resource(dateTime=yes, provision={"type": "permit"}), resource(dateTime=no, provision={"type": "deny"})]
    for order in permutations(both):
        assert (said(of(*order), False) == {RESEARCH}) is refused


def test_an_old_permission_does_not_lift_a_later_refusal() -> None:
    withdrawn = refusal([RESEARCH], "2026-02-01T00:00:00+00:00")
    again = of(resource(dateTime="2019-05-05", provision={"type": "permit"}))
    assert merged(withdrawn, again) == merged(again, withdrawn) == withdrawn


def test_who_is_named_by_a_number_and_who_is_not_named_at_all() -> None:
    number = resource(patient={"identifier": {"value": "785-2774"}}, provision={"type": "deny"})
    found = read_consents([number, resource(patient="x"), resource(patient=None)], NOW)
    assert list(found.by_number) == ["7852774"]
    assert found.unnamed == 2


WORDS = st.builds(Word, st.booleans(), st.sampled_from(["2020", "2021", "2022"]), st.sampled_from(["", "2030"]))
CONSENTS = st.dictionaries(st.sampled_from(sorted(ASKED)), WORDS)


@given(CONSENTS, CONSENTS, CONSENTS)
def test_words_may_arrive_in_any_order_and_again(a: Consent, b: Consent, c: Consent) -> None:
    assert merged(a, b) == merged(b, a)
    assert merged(merged(a, b), c) == merged(a, merged(b, c))
    assert merged(a, a) == a


def test_where_a_hospital_asks_first_silence_and_what_is_over_are_no() -> None:
    yes, over = {RESEARCH: Word(True, "2020")}, {RESEARCH: Word(True, "2020", "2025-12-31")}
    no = {RESEARCH: Word(False, "2020")}
    for words, opt_out, opt_in in ((({}), True, False), (yes, True, True), (over, True, False), (no, False, False)):
        assert allows(words, RESEARCH, opt_in=False, today="2026-03-01") is opt_out
        assert allows(words, RESEARCH, opt_in=True, today="2026-03-01") is opt_in
