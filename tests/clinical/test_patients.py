"""The list of patients: names for care alone, none of who refused, and none of who was erased."""

from __future__ import annotations

import json
import time

import pytest

from clinical.patients import Listed, list_patients, may_view, notes_of, open_people, person_for
from policies.access import Purpose
from policies.errors import AccessDenied
from policies.guard import open_site
from policies.policy import Role, default_policy_text
from policies.workspace import Workspace
from privacy.consent import refusal
from privacy.consent_book import record_consents
from privacy.vault import break_glass
from privacy.vault.originals import FEEDBACK, Vault


@pytest.fixture
def workspace(tmp_path):
    made = Workspace(tmp_path / "w")
    made.root.mkdir()
    made.policy.write_text(default_policy_text("alice"))
    return made


@pytest.fixture
def site(workspace):
    return open_site(workspace, "north", "alice", Role.CLINICIAN)


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
        assert listed[1] == Listed("p2", 2, None, refused=True) and not may_view(site, "p2")
        assert person_for(site, "p2", known) is None
    break_glass.start(site, "p2", "found unconscious", 5)
    assert names(list_patients(site, open_people(site)))["p2"] == "Bob" and may_view(site, "p2")
    assert person_for(site, "p2", before).name == "Bob" and person_for(site, "p2", None) is None


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
