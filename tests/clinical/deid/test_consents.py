"""Who refused research is in no output, wherever in the source the refusal stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clinical.deid import Options, deidentify_source
from clinical.deid.consents import import_consents
from policies.access import Purpose
from policies.guard import Site, open_site
from policies.policy import default_policy_text
from policies.workspace import Workspace
from privacy.consent_book import consents
from privacy.vault.originals import Vault
from tests.clinical.exports import document, patient, write_export


@pytest.fixture(params=["keyed", "random"])
def workspace(tmp_path: Path, request: pytest.FixtureRequest) -> Workspace:
    made = Workspace(tmp_path / "workspace")
    made.root.mkdir()
    text = default_policy_text("alice").replace("tagger = true", "tagger = false")
    made.policy.write_text(text.replace('pseudonyms = "keyed"', f'pseudonyms = "{request.param}"'))
    return made


@pytest.fixture
def site(workspace: Workspace) -> Site:
    return open_site(workspace, "north", "alice")


def consent(patient_id: str, kind: str) -> dict[str, Any]:
    return {
        "resourceType": "Consent", "id": f"c-{patient_id}", "status": "active",
        "scope": {"coding": [{"code": "research"}]}, "category": [{"text": "research"}],
        "patient": {"reference": f"Patient/{patient_id}"}, "provision": {"type": kind},
    }  # fmt: skip


def export(root: Path, *more: Any) -> Path:
    return write_export(root / "in", patient("p1"), document("d1", "p1"), patient("p2"), document("d2", "p2"), *more)


def run(site: Site, source: Path, out: Path) -> Any:
    return deidentify_source(site, source, out, Options(as_of=2026))


def test_a_refusal_in_the_same_source_counts(site: Site, tmp_path: Path) -> None:
    report = run(site, export(tmp_path, consent("p1", "deny")), tmp_path / "out")
    assert report.patients == 1
    assert report.problems["no consent"] >= 2
    assert len(Vault(site.home.vault, site.keys.wrapping).patients()) == 1


def test_a_refusal_that_was_imported_before_counts(site: Site, tmp_path: Path) -> None:
    source = export(tmp_path)
    (tmp_path / "other").mkdir()
    found = import_consents(site, export(tmp_path / "other", consent("p2", "deny")))
    assert (found.resources, found.patients, found.unknown) == (1, 1, 0)
    report = run(site, source, tmp_path / "out")
    assert report.patients == 1
    for words in consents(site).values():
        assert [(purpose, word.allowed) for purpose, word in words.items()] == [(Purpose.RESEARCH, False)]


def test_where_a_hospital_asks_first_only_a_yes_counts(workspace: Workspace, tmp_path: Path) -> None:
    workspace.policy.write_text(workspace.policy.read_text().replace('research = "opt_out"', 'research = "opt_in"'))
    site = open_site(workspace, "north", "alice")
    report = run(site, export(tmp_path, consent("p2", "permit")), tmp_path / "out")
    assert report.patients == 1
    assert report.problems["no consent"] >= 2


def test_without_consents_nobody_is_left_out(site: Site, tmp_path: Path) -> None:
    report = run(site, export(tmp_path), tmp_path / "out")
    assert report.patients == 2
    assert "no consent" not in report.problems


def test_a_consent_of_somebody_unknown_is_counted_and_lets_the_rest_be(site: Site, tmp_path: Path) -> None:
    found = import_consents(site, export(tmp_path, consent("p9", "deny"), consent("p1", "deny")))
    assert (found.resources, found.patients, found.unknown) == (2, 1, 1)


def test_a_job_counts_consents_of_people_whom_it_does_not_know(site: Site, tmp_path: Path) -> None:
    report = run(site, export(tmp_path, consent("p9", "deny")), tmp_path / "out")
    assert report.problems["consent of nobody known"] == 1


def test_a_refusal_outlives_a_change_of_the_kind_of_pseudonyms(workspace: Workspace, tmp_path: Path) -> None:
    import_consents(open_site(workspace, "north", "alice"), export(tmp_path, consent("p1", "deny")))
    text = workspace.policy.read_text()
    other = "random" if 'pseudonyms = "keyed"' in text else "keyed"
    was = "keyed" if other == "random" else "random"
    workspace.policy.write_text(text.replace(f'pseudonyms = "{was}"', f'pseudonyms = "{other}"'))
    (tmp_path / "other").mkdir()
    report = run(open_site(workspace, "north", "alice"), export(tmp_path / "other"), tmp_path / "out")
    assert report.patients == 1
