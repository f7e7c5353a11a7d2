"""Breaking the glass at the command line: one clinician, one patient, and a review by an officer."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from typer.testing import Result

from dashboard.commands.break_glass import app
from dashboard.commands.policy import app as policy_app
from policies.errors import AccessDenied, InputError
from policies.workspace import Workspace
from tests.privacy.hospital import hospital

REASON, FINDING = "found unconscious", "seen in the emergency room"
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, as_account: Run) -> Run:
    return partial(as_account, app, hospital(tmp_path / "w"))


def test_one_starts_another_reviews_and_the_words_are_shown_to_those_two(
    run: Run, tmp_path: Path, as_account: Run
) -> None:
    assert run("alice", "list").stdout == "nobody broke the glass\n"
    assert "until" in run("alice", "start", "p1", "--reason", REASON, "--minutes", "5").stdout
    (grant,) = json.loads(run("bob", "list", "--json").stdout)
    assert (grant["by"], grant["state"], grant["reason"], grant["finding"]) == ("alice", "open", REASON, "")
    said = as_account(policy_app, Workspace(tmp_path / "w"), "bob", "explain").stdout
    assert "1 break-glass grant awaits review" in said
    with pytest.raises(AccessDenied):
        run("alice", "review", grant["id"], "--finding", FINDING)
    assert f"grant {grant['id']} of alice is reviewed" in run("bob", "review", grant["id"], "--finding", FINDING).stdout
    assert "reviewed by bob" in run("alice", "list").stdout
    assert "await review" not in as_account(policy_app, Workspace(tmp_path / "w"), "bob", "explain").stdout


def test_there_is_no_glass_for_a_patient_whom_nobody_knows(run: Run) -> None:
    with pytest.raises(InputError, match="no such patient"):
        run("alice", "start", "p9", "--reason", REASON)
