"""Care sees the patient's name and note, nobody else does, and every view leaves an entry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clinical.diagnosis import ConditionModel
from clinical.gateway import extract_for_care, keep_note, list_notes, open_note
from policies.access import Purpose
from policies.audit import read_entries
from policies.care_team import EVERY, Member
from policies.errors import AccessDenied, IntegrityError
from policies.events import Event
from policies.guard import Site, open_site
from policies.models import SignedModel
from policies.policy import default_policy_text
from policies.workspace import Workspace
from privacy.consent import refusal
from privacy.consent_book import record_consents
from privacy.vault import break_glass
from privacy.vault.originals import Vault
from tests.policies.logs import happened
from tests.teams import everybody_treats

NAME, TEXT = "Zebulon", "Cough and fever for days."
ROLES = '["clinician", "hospital_it", "compliance_officer", "data_steward", "researcher"]'


def site_of(root: Path, roles: str = ROLES) -> Site:
    workspace = Workspace(root)
    workspace.root.mkdir(exist_ok=True)
    policy = default_policy_text("alice").replace(ROLES, roles)
    workspace.policy.write_text(policy.replace("tagger = true", "tagger = false"))
    site = everybody_treats(open_site(workspace, "north", "alice"))
    patient = {"resourceType": "Patient", "name": [{"given": [NAME, "A."], "family": "Quist"}]}
    Vault(site.home.vault, site.keys.wrapping).put(
        [
            ("p1", "p1", json.dumps(patient).encode()),
            ("p1", "d1", TEXT.encode()),
            ("p2", "p2", b"{}"),
            ("p2", "d2", b"-"),
        ]
    )
    return site


def events(site: Site) -> list[tuple[Event, str]]:
    return [(entry.event, entry.details.get("record", "")) for entry in happened(site.home.audit, site.keys.public)]


def test_a_clinician_sees_name_and_note_and_every_view_leaves_an_entry(tmp_path: Path) -> None:
    site = site_of(tmp_path / "w")
    note = open_note(site, "p1", "d1")
    assert (note.name, note.text) == (f"{NAME} A. Quist", TEXT)
    open_note(site, "p1", "d1")
    assert open_note(site, "p2", "d2").name == ""
    assert events(site) == [(Event.NOTE_VIEWED, record) for record in ("d1", "d1", "d2")]
    (entry, *_) = happened(site.home.audit, site.keys.public)
    assert (entry.actor, entry.details["patient"], entry.details["purpose"]) == ("alice", "p1", "TREAT")


@pytest.mark.parametrize(
    "roles", ['["hospital_it"]', '["compliance_officer"]', '["hospital_it", "compliance_officer"]']
)
def test_nobody_else_sees_it_and_the_attempt_is_logged(tmp_path: Path, roles: str) -> None:
    site = site_of(tmp_path / "w", roles)
    with pytest.raises(AccessDenied):
        open_note(site, "p1", "d1")
    assert events(site) == [(Event.ACCESS_DENIED, "")]


def test_neither_repr_nor_log_holds_name_or_text(tmp_path: Path) -> None:
    site = site_of(tmp_path / "w")
    note = open_note(site, "p1", "d1")
    written = (site.home.audit / "edge.ndjson").read_text() + repr(note)
    assert NAME not in written and "Cough" not in written


def test_an_erased_note_cannot_be_seen_and_the_attempt_stands_in_the_log(tmp_path: Path) -> None:
    site = site_of(tmp_path / "w")
    Vault(site.home.vault, site.keys.wrapping).erase("p1")
    with pytest.raises(IntegrityError, match="erased"):
        open_note(site, "p1", "d1")
    assert events(site) == [(Event.NOTE_VIEWED, "d1")]


def test_a_note_that_was_not_logged_is_not_seen(tmp_path: Path) -> None:
    site = site_of(tmp_path / "w")
    site.guard.record(Event.EXPORT_READ)
    (site.home.audit / "edge.ndjson").write_bytes(b"")
    with pytest.raises(IntegrityError):
        open_note(site, "p1", "d1")


def test_the_list_names_notes_by_pseudonym_and_no_patient_resource(tmp_path: Path) -> None:
    assert list_notes(site_of(tmp_path / "w")) == [("p1", "d1"), ("p2", "d2")]


@pytest.mark.parametrize("roles", ['["hospital_it"]', '["compliance_officer"]'])
def test_nobody_else_has_a_note_read(tmp_path: Path, roles: str) -> None:
    site = site_of(tmp_path / "w", roles)
    with pytest.raises(AccessDenied):
        extract_for_care(site, TEXT, None, {"record": "d1"})
    assert events(site) == [(Event.ACCESS_DENIED, "")]


def test_a_note_that_is_read_leaves_counts_and_its_identifiers_never_reach_the_model(
    tmp_path: Path, signed: SignedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the deidentifier that the training notes went through."""
    site, model, seen = site_of(tmp_path / "w"), ConditionModel(signed), list[str]()
    real = model.read
    monkeypatch.setattr(model, "read", lambda note: seen.append(note.text) or real(note))
    text = f"Patient Name: {NAME} Quist\nPhone: (555) 123-4567\nMr. {NAME} Quist has cough and fever for days.\n" * 8
    found = extract_for_care(site, text, model, {"record": "d1"})
    assert found.suggestions
    assert any("cough and fever" in one for one in seen)
    assert not any(part in one for one in seen for part in (NAME, "Quist", "123-4567"))
    (entry,) = happened(site.home.audit, site.keys.public)
    assert (entry.event, entry.details["record"], entry.details["model"]) == (Event.NOTE_EXTRACTED, "d1", signed.name)
    assert entry.details["counts"]["suggestions"] == len(found.suggestions)
    assert "cough" not in (site.home.audit / "edge.ndjson").read_text()


def test_what_a_patient_refused_stays_closed_until_somebody_breaks_the_glass(tmp_path: Path) -> None:
    site = site_of(tmp_path / "w")
    record_consents(site, {"p1": refusal([Purpose.TREATMENT], "2026-01-01")}, "test")
    with pytest.raises(AccessDenied, match="patient-refused"):
        open_note(site, "p1", "d1")
    with pytest.raises(AccessDenied, match="patient-refused"):
        extract_for_care(site, TEXT, None, {"patient": "p1", "record": "d1"})
    assert open_note(site, "p2", "d2").text == "-"
    grant = break_glass.start(site, "p1", "found unconscious", 10)
    assert open_note(site, "p1", "d1").text == TEXT
    decided = [e for e in read_entries(site.home.audit, site.keys.public) if e.event is Event.ACCESS_DECIDED]
    assert decided[-1].details["break_glass"] == grant.id


def test_a_patient_of_others_stays_closed(tmp_path: Path) -> None:
    site = site_of(tmp_path / "w")
    site.guard.care_teams.change([Member("p1", "alice")], [Member(EVERY, EVERY)])
    open_note(site, "p1", "d1")
    for closed in (
        lambda: open_note(site, "p2", "d2"),
        lambda: keep_note(site, "p2", "Fever."),
        lambda: extract_for_care(site, TEXT, None, {"patient": "p2", "record": "d2"}),
    ):
        with pytest.raises(AccessDenied, match="not on the care team"):
            closed()
    assert extract_for_care(site, TEXT, None, {"source": "one look"}).facts.mentions


def test_a_refusal_of_research_does_not_close_care(tmp_path: Path) -> None:
    site = site_of(tmp_path / "w")
    record_consents(site, {"p1": refusal([Purpose.RESEARCH], "2026-01-01")}, "test")
    assert open_note(site, "p1", "d1").text == TEXT
