"""An erasure asks once, says what it cannot reach, and leaves a proof that can be checked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from typer.testing import Result

from dashboard.commands.erase import app
from policies.errors import AccessDenied, InputError, IntegrityError
from policies.guard import open_site
from policies.workspace import Workspace
from privacy.vault.erasure import NOT_COVERED, holdings
from tests.privacy.hospital import at, hospital

Run = Callable[..., Result]
ORDER = ("patient", "p1", "--purpose", "PATRQT")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return hospital(tmp_path / "w")


@pytest.fixture
def run(workspace: Workspace, as_account: Run) -> Run:
    return partial(as_account, app, workspace)


def test_a_patient_is_erased_after_a_question_and_the_proof_is_checked(run: Run, workspace: Workspace) -> None:
    home = at(workspace, "dave").home
    assert run("bob", *ORDER, text="n\n").exit_code == 1
    assert holdings(at(workspace, "dave"), "p1")
    done = run("bob", *ORDER, text="y\n")
    assert all(matter in done.stdout for matter in NOT_COVERED)
    (proof,) = (home.root / "erasures").iterdir()
    assert str(proof) in done.stdout
    open_site(workspace, "river", "dave")  # the proof says itself whose it is
    assert "the proof holds" in run("bob", "verify", str(proof)).stdout
    proof.write_bytes(proof.read_bytes().replace(b'"bob"', b'"eve"'))
    with pytest.raises(IntegrityError):
        run("bob", "verify", str(proof))


def test_a_purpose_that_erases_nobody(run: Run) -> None:
    with pytest.raises(InputError, match="TREAT") as refused:
        run("bob", "patient", "p1", "--purpose", "TREAT", "--yes")
    assert refused.value.hint == "Use one of: PATRQT, HLEGAL."


def test_a_clinician_erases_nobody(run: Run, workspace: Workspace) -> None:
    with pytest.raises(AccessDenied):
        run("alice", *ORDER, "--yes")
    assert holdings(at(workspace, "dave"), "p1")
