"""A whole record is opened for its patient's clinician alone; the log has that it was asked, and not what."""

from __future__ import annotations

from pathlib import Path

import pytest

from clinical.record.care import Talk, one_note, summarise_for_care
from clinical.record.encoding import Encoding
from policies.access import Purpose
from policies.errors import AccessDenied, InputError
from policies.events import Event
from policies.guard import Site, open_site
from policies.policy import default_policy_text
from policies.workspace import Workspace
from privacy.consent import refusal
from privacy.consent_book import record_consents
from privacy.vault.originals import Vault
from tests.clinical.record.told import FEBRUARY, JANUARY
from tests.policies.logs import happened
from tests.teams import everybody_treats

ROLES = '["clinician", "hospital_it", "compliance_officer", "data_steward", "researcher"]'
QUESTION = "Does she have a fever?"


def site_of(root: Path, roles: str = ROLES) -> Site:
    workspace = Workspace(root)
    workspace.root.mkdir(exist_ok=True)
    workspace.policy.write_text(default_policy_text("alice").replace(ROLES, roles))
    site = everybody_treats(open_site(workspace, "north", "alice"))
    Vault(site.home.vault, site.keys.wrapping).put(
        [("p1", "p1", b"{}"), ("p1", "d2", FEBRUARY.encode()), ("p1", "d1", JANUARY.encode()), ("p2", "d3", b"Fever.")]
    )
    return site


def test_an_answer_quotes_this_patient_and_leaves_counts(tmp_path: Path, encoding: Encoding) -> None:
    site = site_of(tmp_path / "w")
    answer = Talk(site, "p1", encoding=encoding).ask(QUESTION)
    assert answer.quotation is not None
    texts = {"d1": JANUARY, "d2": FEBRUARY}
    assert answer.quotation.text == texts[answer.quotation.record][answer.quotation.start : answer.quotation.end]
    (entry,) = happened(site.home.audit, site.keys.public)
    assert (entry.event, entry.details["patient"], entry.details["purpose"]) == (Event.NOTE_EXTRACTED, "p1", "TREAT")
    assert entry.details["counts"] == {"notes": 2, "questions": 1, "answers": 1}
    log = (site.home.audit / "edge.ndjson").read_text()
    assert "fever" not in log.lower() and answer.quotation.text not in log


def test_a_summary_is_in_the_order_of_time_and_logged(tmp_path: Path) -> None:
    site = site_of(tmp_path / "w")
    summary = summarise_for_care(site, "p1")
    assert [own.date for own in summary.timeline] == ["2025-01-14", "2025-02-03"]
    (entry,) = happened(site.home.audit, site.keys.public)
    lines = len(summary.problems + summary.medications) + len(summary.results + summary.loops)
    assert entry.details["counts"] == {"notes": 2, "lines": lines}


def test_a_note_outside_the_vault_is_read_after_the_policy_was_asked(tmp_path: Path, encoding: Encoding) -> None:
    answer = Talk(site_of(tmp_path / "w"), "", one_note("x.txt", lambda: JANUARY), encoding).ask(QUESTION)
    assert answer.quotation is not None and answer.quotation.record == "x.txt"

    def never() -> str:
        raise AssertionError

    with pytest.raises(AccessDenied):
        Talk(site_of(tmp_path / "other", '["hospital_it"]'), "", one_note("x.txt", never), encoding).ask(QUESTION)


@pytest.mark.parametrize("roles", ['["hospital_it"]', '["compliance_officer"]'])
def test_nobody_else_opens_a_record(tmp_path: Path, roles: str, encoding: Encoding) -> None:
    site = site_of(tmp_path / "w", roles)
    with pytest.raises(AccessDenied):
        Talk(site, "p1", encoding=encoding).ask(QUESTION)
    with pytest.raises(AccessDenied):
        summarise_for_care(site, "p1")
    assert [own.event for own in happened(site.home.audit, site.keys.public)] == [Event.ACCESS_DENIED] * 2


def test_what_a_patient_refused_stays_closed(tmp_path: Path, encoding: Encoding) -> None:
    site = site_of(tmp_path / "w")
    record_consents(site, {"p1": refusal([Purpose.TREATMENT], "2026-01-01")}, "test")
    with pytest.raises(AccessDenied, match="patient-refused"):
        Talk(site, "p1", encoding=encoding).ask(QUESTION)


def test_a_patient_without_notes_is_an_error(tmp_path: Path, encoding: Encoding) -> None:
    with pytest.raises(InputError, match="no note of this patient"):
        Talk(site_of(tmp_path / "w"), "p9", encoding=encoding).ask(QUESTION)
