"""Feedback lies under the patient's key, goes with an erasure, and is counted without a key."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clinical.feedback import Feedback, Target, Verdict, feedback_counts, feedback_of, give
from clinical.gateway import list_notes
from clinical.patients import notes_of
from policies.access import Purpose
from policies.errors import AccessDenied, InputError
from policies.events import Event
from policies.guard import open_site
from policies.policy import Role, default_policy_text
from policies.workspace import Workspace
from privacy.consent import refusal
from privacy.consent_book import record_consents
from privacy.vault.erasure import erase_patient
from privacy.vault.originals import Vault
from tests.policies.logs import happened
from tests.teams import everybody_treats

WRONG = Feedback(
    "p1", "d1", Target.ENTITY, Verdict.CORRECTED, 0, 5, "cough (finding)", "confide 1", "croup", "Zebulon has croup"
)


@pytest.fixture
def site(tmp_path):
    workspace = Workspace(tmp_path / "w")
    workspace.root.mkdir()
    workspace.policy.write_text(default_policy_text("alice"))
    site = everybody_treats(open_site(workspace, "north", "alice"))
    Vault(site.home.vault, site.keys.wrapping).put([("p1", "p1", b"{}"), ("p1", "d1", b"Cough.")])
    return site


def test_what_was_said_comes_back_with_who_and_when_and_is_no_note(site):
    give(site, WRONG)
    (said,) = feedback_of(site, "p1", "d1")
    assert replace(said, by="", at="") == WRONG and said.by == "alice" and said.at
    assert list_notes(site) == [("p1", "d1")] and notes_of(site, "p1") == ["d1"]
    assert feedback_of(site, "p1", "d2") == []


def test_no_file_and_no_log_holds_a_word_of_it(site):
    give(site, WRONG)
    files = [path for path in site.home.root.rglob("*") if path.is_file()]
    assert not any(word in path.read_bytes() for path in files for word in (b"croup", b"Zebulon"))
    (entry,) = [e for e in happened(site.home.audit, site.keys.public) if e.event is Event.FEEDBACK_RECEIVED]
    assert (entry.details["target"], entry.details["outcome"]) == ("entity", "corrected")


def test_versions_are_counted_by_kind_and_counts_outlast_the_patient(backend, site):
    give(site, WRONG)
    give(site, WRONG)
    give(site, replace(WRONG, target=Target.SUGGESTION, verdict=Verdict.ACCEPTED, model="m", right="", reason=""))
    counts = {"confide 1": {"entity corrected": 2}, "m": {"suggestion accepted": 1}}
    assert feedback_counts(site) == counts
    erase_patient(site, "p1", Purpose.PATIENT_REQUEST)
    assert Vault(site.home.vault, site.keys.wrapping).names("p1") == [] and feedback_counts(site) == counts


def test_a_reason_and_a_correction_are_asked_for(site):
    for wrong in (
        replace(WRONG, reason=" "),
        replace(WRONG, right=""),
        replace(WRONG, verdict=Verdict.REJECTED, reason=""),
        replace(WRONG, record="d2"),
        replace(WRONG, reason="x" * 3000),
    ):
        with pytest.raises(InputError):
            give(site, wrong)
    assert feedback_counts(site) == {} and feedback_of(site, "p1", "d1") == []


def test_only_who_may_correct_and_only_where_the_patient_did_not_refuse(site, tmp_path):
    with pytest.raises(AccessDenied):
        give(open_site(Workspace(tmp_path / "w"), "north", "alice", Role.HOSPITAL_IT), WRONG)
    record_consents(site, {"p1": refusal([Purpose.TREATMENT], "2026-01-01T00:00:00+00:00")}, "test")
    for ask in (lambda: give(site, WRONG), lambda: feedback_of(site, "p1", "d1")):
        with pytest.raises(AccessDenied):
            ask()
