"""Who treats whom, at the command line: what it says, and what it keeps to itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from typer.testing import Result

from dashboard.commands.care_team import app
from policies.errors import AccessDenied, InputError
from privacy.vault.originals import Vault
from tests.privacy.hospital import at, hospital

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, as_account: Run) -> Run:
    workspace = hospital(tmp_path / "w")
    site = at(workspace, "dave")
    assert "p1" in Vault(site.home.vault, site.keys.wrapping).patients()
    return partial(as_account, app, workspace)


def test_rows_come_and_go(run: Run) -> None:
    assert "nobody treats anybody" in run("dave", "list").stdout
    assert run("dave", "add", "p1", "alice").stdout == "'alice' now treats patient p1\n"
    assert "already" in run("dave", "add", "p1", "alice").stdout
    assert run("dave", "add", "*", "*").stdout == "every account now treats every patient\n"
    assert json.loads(run("dave", "list", "--json").stdout) == [
        {"patient": "*", "account": "*"}, {"patient": "p1", "account": "alice"}
    ]  # fmt: skip
    assert "by another row with '*' still does" in run("dave", "remove", "p1", "alice").stdout
    assert run("dave", "remove", "*", "*").stdout == "every account no longer treats every patient\n"
    assert "care teams at north" not in run("dave", "list").stdout


def test_bad_lines_are_named_by_their_number_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("patient,account\np1,alice\n4711,alice\n")
    with pytest.raises(InputError, match="1 line counts for nobody"):
        run("dave", "import", str(tmp_path / "t.csv"))
    assert "alice" in run("dave", "list").stdout
    (tmp_path / "t.csv").write_text("patient,account\np2,*\n")
    assert (
        "1 line read: 1 row put in, 1 taken out" in run("dave", "import", str(tmp_path / "t.csv"), "--replace").stdout
    )


def test_a_clinician_cannot_join_a_team(run: Run) -> None:
    with pytest.raises(AccessDenied, match="manage_care_teams"):
        run("alice", "add", "*", "alice")
