"""The list of patients: names for care alone, none of who refused, and none of who was erased."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from clinical.patients import Closed, Listed, closed, list_patients, may_view, notes_of, open_people, person_for
from policies.access import Purpose
from policies.care_team import EVERY, Member
from policies.errors import AccessDenied
from policies.guard import open_site
from policies.policy import Role, default_policy_text
from policies.workspace import Workspace
from privacy.consent import refusal
from privacy.consent_book import record_consents
from privacy.vault import break_glass
from privacy.vault.originals import FEEDBACK, Vault
from tests.teams import everybody_treats


@pytest.fixture
def workspace(tmp_path):
    made = Workspace(tmp_path / "w")
    made.root.mkdir()
    made.policy.write_text(default_policy_text("alice"))
    return made


@pytest.fixture
def site(workspace):
    return everybody_treats(open_site(workspace, "north", "alice", Role.CLINICIAN))


@pytest.fixture
def vault(site):
    kept = Vault(site.home.vault, site.keys.wrapping)
    kept.put(
        row
        for number, name in enumerate(("Anna", "Bob", "Cleo"), 1)
        for row in (
            (f"p{number}", f"p{number}", json.dumps({"name": [{"given": [name]}]}).encode()),
            *((f"p{number}", f"d{number}{note}", b"Cough.") for note in range(number)),
            (f"p{number}", f"{FEEDBACK}1", b"{}"),
        )
    )
    return kept


def refuse(site, patient):
    record_consents(site, {patient: refusal([Purpose.TREATMENT], "2026-01-01T00:00:00+00:00")}, "test")


def names(listed):
    return {own.patient: own.person.name if own.person else None for own in listed}


def test_a_clinician_gets_names_and_the_number_of_notes_without_feedback(site, vault):
    listed = list_patients(site, open_people(site))
    assert names(listed) == {"p1": "Anna", "p2": "Bob", "p3": "Cleo"} and [own.notes for own in listed] == [1, 2, 3]
    assert notes_of(site, "p2") == ["d20", "d21"] and "Anna" not in repr(listed)


def test_nobody_else_gets_a_name(workspace, vault):
    for role in (Role.HOSPITAL_IT, Role.COMPLIANCE_OFFICER, Role.RESEARCHER):
        site = open_site(workspace, "north", "alice", role)
        with pytest.raises(AccessDenied):
            open_people(site)
        assert names(list_patients(site)) == dict.fromkeys(("p1", "p2", "p3"))


def test_who_refused_is_a_pseudonym_until_the_glass_is_broken_and_also_for_names_that_were_opened_before(site, vault):
    before = open_people(site)
    refuse(site, "p2")
    assert "p2" not in open_people(site)
    for known in (before, open_people(site)):
        listed = list_patients(site, known)
        assert names(listed) == {"p1": "Anna", "p2": None, "p3": "Cleo"}
        assert listed[1] == Listed("p2", 2, None, Closed.REFUSED) and not may_view(site, "p2")
        assert person_for(site, "p2", known) is None
    break_glass.start(site, "p2", "found unconscious", 5)
    assert names(list_patients(site, open_people(site)))["p2"] == "Bob" and may_view(site, "p2")
    assert person_for(site, "p2", before).name == "Bob" and person_for(site, "p2", None) is None


def test_a_patient_of_others_is_a_pseudonym_until_the_glass_is_broken_or_one_joins_the_team(site, vault):
    before = open_people(site)
    site.guard.care_teams.change([Member("p1", "alice"), Member("p2", "bob")], [Member(EVERY, EVERY)])
    assert set(open_people(site)) == {"p1"}
    for known in (before, open_people(site)):
        listed = list_patients(site, known)
        assert names(listed) == {"p1": "Anna", "p2": None, "p3": None}
        assert [own.closed for own in listed] == [None, Closed.OTHERS, Closed.OTHERS]
        assert person_for(site, "p2", known) is None and not may_view(site, "p2")
    known = open_people(site)
    break_glass.start(site, "p2", "found unconscious", 5)
    assert names(list_patients(site, known)) == {"p1": "Anna", "p2": "Bob", "p3": None} and may_view(site, "p2")
    site.guard.care_teams.change([Member("p3", EVERY)])
    assert names(list_patients(site, known)) == {"p1": "Anna", "p2": "Bob", "p3": "Cleo"}
    refuse(site, "p1")
    assert [own.closed for own in list_patients(site, known)] == [Closed.REFUSED, None, None]


PATIENTS, EVERYBODY = ("p1", "p2", "p3"), ("alice", "bob", EVERY)
RULES = ("context.care_team", "!context.break_glass", "context.care_team || context.consent_denied.isEmpty()")


@settings(max_examples=30, deadline=None)
@given(
    rows=some.frozensets(some.builds(Member, some.sampled_from((*PATIENTS, EVERY)), some.sampled_from(EVERYBODY))),
    refusing=some.frozensets(some.sampled_from(PATIENTS)),
    broken=some.frozensets(some.sampled_from(PATIENTS)),
    rule=some.sampled_from(("", *RULES)),
)
def test_the_list_closes_whom_the_access_policy_closes_one_by_one(rows, refusing, broken, rule, tmp_path_factory):
    made = Workspace(tmp_path_factory.mktemp("w"))
    made.policy.write_text(default_policy_text("alice"))
    if rule:
        made.access.write_text(f'@id("a") permit (principal, action, resource) when {{ {rule} }};')
    site = open_site(made, "north", "alice", Role.CLINICIAN)
    Vault(site.home.vault, site.keys.wrapping).put((own, own, b"{}") for own in PATIENTS)
    site.guard.care_teams.change(rows)
    said = refusal([Purpose.TREATMENT], "2026-01-01T00:00:00+00:00")
    record_consents(site, dict.fromkeys(refusing, said), "test")
    for own in broken:
        break_glass.start(site, own, "found unconscious", 5)
    assert {own for own in PATIENTS if not may_view(site, own)} == set(closed(site, PATIENTS))


def test_who_was_erased_is_gone_at_once_whatever_was_opened_before(site, vault):
    before = open_people(site)
    vault.erase("p1")
    assert set(names(list_patients(site, before))) == {"p2", "p3"} and notes_of(site, "p1") == []


def test_a_list_of_thousands_opens_in_a_moment(site):
    person = json.dumps({"name": [{"given": ["A"], "family": "B"}]}).encode()
    Vault(site.home.vault, site.keys.wrapping).put((f"{n:032x}", f"{n:032x}", person) for n in range(2000))
    started = time.monotonic()
    assert len(list_patients(site, open_people(site))) == 2000
    assert time.monotonic() - started < 2
