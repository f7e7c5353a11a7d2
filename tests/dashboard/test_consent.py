"""What patients decided is imported, listed and taken back by command, and a clinician cannot do it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from typer.testing import Result

from dashboard.commands.consent import app
from policies.access import Purpose
from policies.errors import AccessDenied, InputError
from policies.workspace import Workspace
from privacy.consent_book import consents, denied
from tests.privacy.hospital import at, hospital

P1 = "0f3c51d2a7b84e6690c1d2e3f4a5b6c7"
Run = Callable[..., Result]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return hospital(tmp_path / "w")


@pytest.fixture
def run(workspace: Workspace, as_account: Run) -> Run:
    return partial(as_account, app, workspace)


def test_a_withdrawal_asks_once_and_says_what_it_did(run: Run, workspace: Workspace) -> None:
    assert run("bob", "withdraw", P1, text="n\n").exit_code == 1
    assert consents(at(workspace, "bob")) == {}
    done = run("bob", "withdraw", P1, text="y\n")
    assert f"patient {P1} now refuses HRESCH" in done.stdout
    assert "still hold the notes" in done.stdout
    assert denied(at(workspace, "bob"), P1) == {Purpose.RESEARCH}
    assert json.loads(run("bob", "list", "--json").stdout) == [{"patient": P1, "denied": "HRESCH", "given": ""}]


def test_more_than_one_purpose(run: Run, workspace: Workspace) -> None:
    run("bob", "withdraw", P1, "--purpose", "HRESCH", "--purpose", "TREAT", "--yes")
    assert denied(at(workspace, "bob"), P1) == {Purpose.RESEARCH, Purpose.TREATMENT}


def test_a_purpose_that_is_none(run: Run) -> None:
    with pytest.raises(InputError, match="FUN"):
        run("bob", "withdraw", P1, "--purpose", "FUN", "--yes")


def test_a_clinician_takes_back_nobodys_consent(run: Run, workspace: Workspace) -> None:
    with pytest.raises(AccessDenied):
        run("alice", "withdraw", P1, "--yes")
    assert consents(at(workspace, "bob")) == {}


def test_an_empty_book_says_how_to_fill_it(run: Run) -> None:
    assert "confide consent import" in run("bob", "list").stdout


def test_resources_are_imported(run: Run, workspace: Workspace, tmp_path: Path) -> None:
    resources = [
        {"resourceType": "Patient", "id": "x", "identifier": [{"system": "mrn", "value": "785-2774"}]},
        {
            "resourceType": "Consent", "id": "c", "status": "active", "patient": {"reference": "Patient/x"},
            "scope": {"coding": [{"code": "research"}]}, "provision": {"type": "deny"},
        },
    ]  # fmt: skip
    source = tmp_path / "export.ndjson"
    source.write_text("\n".join(map(json.dumps, resources)))
    assert "1 Consent resources of 1 patients read; 1 decisions are new" in run("bob", "import", str(source)).stdout
    (patient,) = consents(at(workspace, "bob"))
    assert denied(at(workspace, "bob"), patient) == {Purpose.RESEARCH}
