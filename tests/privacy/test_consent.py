"""What a patient refused stays refused: each shape of FHIR Consent, and a book that cannot fall behind the log."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.access import Purpose
from policies.audit import read_entries
from policies.errors import IntegrityError
from policies.events import Event
from policies.guard import Site
from privacy.consent import Consent, consents, consents_by_log, read_consents, record_consents, refused
from tests.privacy.hospital import at, hospital

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TREAT, OPERATE, RESEARCH = Purpose.TREATMENT, Purpose.OPERATIONS, Purpose.RESEARCH
ALL = frozenset({TREAT, OPERATE, RESEARCH})


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
    return read_consents(resources, NOW).get("p1", Consent())


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
        ({"status": "inactive", "provision": {"type": "permit"}}, {RESEARCH}, set()),
        ({"status": "draft", "provision": {"type": "permit"}}, set(), set()),
        ({}, set(), set()),
        ({"provision": {"type": "permit", "period": {"end": "2025-12-31"}}}, set(), set()),
        ({"provision": {"type": "deny", "period": {"end": "2025-12-31"}}}, {RESEARCH}, set()),
        ({"provision": {"type": "permit", "actor": [{"reference": {"reference": "Practitioner/1"}}]}}, set(), set()),
        ({"provision": {"type": "deny", "data": [{"meaning": "instance"}]}}, {RESEARCH}, set()),
        ({"provision": {"type": "permit", "purpose": coded("TREAT", "HRESCH")}}, set(), {TREAT, RESEARCH}),
        ({"provision": "no"}, ALL, set()),
    ],
)
def test_one_resource(fields: dict[str, Any], denied: set[Purpose], given: set[Purpose]) -> None:
    assert of(resource(**fields)) == Consent(frozenset(denied), frozenset(given))


def test_exceptions_stand_above_the_base_rule() -> None:
    exception = {"type": "deny", "purpose": coded("HRESCH")}
    both = resource("patient-privacy", provision={"type": "permit", "provision": [exception]})
    assert of(both) == Consent(frozenset({RESEARCH}), frozenset({TREAT, OPERATE}))
    within = {"type": "permit", "purpose": coded("HRESCH", "TREAT"), "provision": [exception]}
    assert RESEARCH in of(resource("patient-privacy", provision={"type": "deny", "provision": [within]})).denied


def test_without_a_scope_a_refusal_is_of_everything() -> None:
    assert of(resource("other", provision={"type": "deny"})).denied == ALL


def test_the_newest_resource_has_the_last_word() -> None:
    yes = resource(dateTime="2026-01-05", provision={"type": "permit"})
    no = resource(dateTime="2026-02-01", provision={"type": "deny"})
    assert of(no, yes) == of(yes, no) == Consent(denied=frozenset({RESEARCH}))


PURPOSES = st.frozensets(st.sampled_from(sorted(ALL)))


@given(st.lists(st.tuples(PURPOSES, PURPOSES)))
def test_no_purpose_is_both_refused_and_allowed(words: list[tuple[frozenset[Purpose], frozenset[Purpose]]]) -> None:
    now = Consent()
    for denied, allowed in words:
        now = now.then(Consent(denied, allowed - denied))
        assert not now.denied & now.given
        assert denied <= now.denied


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return at(hospital(tmp_path / "workspace"), "carol")


def test_a_decision_is_logged_and_kept(site: Site) -> None:
    no = Consent(denied=frozenset({RESEARCH}))
    assert record_consents(site, {"ab": no, "cd": Consent()}, "test") == 1
    assert record_consents(site, {"ab": no}, "test") == 0
    assert consents(site) == consents_by_log(site) == {"ab": no}
    logged = [e for e in read_entries(site.home.audit, site.keys.public) if e.event is Event.CONSENT_RECORDED]
    assert [(e.details["patient"], e.details["denied"], e.details["source"]) for e in logged] == [
        ("ab", ["HRESCH"], "test")
    ]


def test_a_book_that_was_taken_away_is_written_again_from_the_log(site: Site) -> None:
    record_consents(site, {"ab": Consent(denied=frozenset({RESEARCH}))}, "test")
    site.home.consents.unlink()
    assert refused(site, RESEARCH, ["ab", "cd"]) == {"ab"}
    assert consents(site)["ab"].denied == {RESEARCH}


def test_an_edited_book_is_refused(site: Site) -> None:
    record_consents(site, {"ab": Consent(denied=frozenset({RESEARCH}))}, "test")
    site.home.consents.write_bytes(site.home.consents.read_bytes().replace(b"HRESCH", b"HOPERAT"))
    with pytest.raises(IntegrityError, match="was edited"):
        consents(site)


def test_where_a_hospital_asks_first_silence_is_no() -> None:
    assert Consent().allows(RESEARCH, opt_in=False)
    assert not Consent().allows(RESEARCH, opt_in=True)
    assert Consent(given=frozenset({RESEARCH})).allows(RESEARCH, opt_in=True)
    assert not Consent(denied=frozenset({RESEARCH})).allows(RESEARCH, opt_in=False)
