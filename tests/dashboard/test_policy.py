"""A policy at the command line: checked with its lines, said in words, replayed, and filled into documents."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from typer.testing import Result

from dashboard.commands.policy import app
from policies.access import Action, Purpose, installed_access
from policies.errors import AccessDenied, InputError, PolicyError
from policies.workspace import Workspace
from tests.privacy.hospital import at, hospital

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, as_account: Run) -> Run:
    return partial(as_account, app, hospital(tmp_path / "w"))


def test_a_workspace_that_is_fine_is_said_to_be(run: Run) -> None:
    said = run("alice", "check").stdout
    assert "policy.toml and the installed access policy: valid" in said


def test_a_bad_line_is_named_and_an_odd_rule_is_warned_of(run: Run, tmp_path: Path) -> None:
    cedar = tmp_path / "own.cedar"
    cedar.write_text('@id("all")\npermit (principal, action, resource);\n')
    said = run("alice", "check", str(cedar)).stdout
    assert "own.cedar: line 1: the rule 'all' permits for any purpose" in said and "valid, 0" not in said
    cedar.write_text('@id("all")\npermit (principal, action resource);\n')
    with pytest.raises(PolicyError, match=r"own\.cedar: line 1: unexpected token"):
        run("alice", "check", str(cedar))
    toml = tmp_path / "own.toml"
    toml.write_text((tmp_path / "w" / "policy.toml").read_text() + "\n[surprise]\nkey = 1\n")
    line = toml.read_text().splitlines().index("[surprise]") + 1
    with pytest.raises(PolicyError, match=f"line {line}: unknown key 'surprise'"):
        run("alice", "check", str(toml))
    with pytest.raises(InputError, match="neither"):
        run("alice", "check", str(tmp_path / "own.txt"))


def test_an_odd_value_is_warned_of_and_a_bad_key_of_a_witness_is_an_error_with_its_line(
    run: Run, tmp_path: Path
) -> None:
    text, toml = (tmp_path / "w" / "policy.toml").read_text(), tmp_path / "own.toml"
    toml.write_text(re.sub(r"(?m)^keep_years = \d+", "keep_years = 2", text))
    assert f"warning: {toml}: audit.keep_years is 2: 45 CFR" in run("alice", "check", str(toml)).stdout
    toml.write_text(text.replace("hospitals = []", 'hospitals = ["river+00000000+AAAA"]'))
    line = toml.read_text().splitlines().index(next(row for row in toml.read_text().splitlines() if "river" in row)) + 1
    with pytest.raises(PolicyError, match=f"line {line}: key 'witnesses.hospitals': number 1 is no key"):
        run("alice", "check", str(toml))


def test_a_link_to_nowhere_is_not_called_the_installed_policy(run: Run, tmp_path: Path) -> None:
    (tmp_path / "w" / "access.cedar").symlink_to(tmp_path / "gone.cedar")
    with pytest.raises(PolicyError, match="cannot be read"):
        run("alice", "check")


def test_words_for_everybody_and_for_one_person(run: Run) -> None:
    assert "Researcher (nobody) may" in run("alice", "explain").stdout
    said = run("alice", "explain", "--person", "dave").stdout
    assert said.startswith("dave (hospital_it) may") and "train on" in said and "a note" not in said
    assert run("alice", "explain", "--person", "eve").stdout == "eve (no role) may\n  nothing\n"


def test_a_replay_prints_what_would_change(run: Run, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")
    at(workspace, "dave").guard.permit(Action.TRAIN, Purpose.RESEARCH)
    proposed = tmp_path / "proposed.cedar"
    proposed.write_text(installed_access().text)
    same = ("replay", "--proposed", str(proposed))
    assert "0 kinds would change" in run("bob", *same).stdout
    proposed.write_text(
        installed_access().text.replace('Action::"train", Action::"sign_model"', 'Action::"sign_model"')
    )
    said = run("bob", *same, "--since", "2020-01-01").stdout
    assert "1 kind would change" in said and "train" in said and "it-trains-for-research" in said
    assert " 0 decisions since 2999-01-01" in run("bob", *same, "--since", "2999-01-01").stdout
    with pytest.raises(InputError, match="no day"):
        run("bob", *same, "--since", "May")
    with pytest.raises(AccessDenied):
        run("dave", *same)


@pytest.mark.parametrize("template", ["dpia", "data-use"])
def test_a_document_is_written_for_whoever_may_see_the_budget(run: Run, tmp_path: Path, template: str) -> None:
    out = tmp_path / "report.md"
    with pytest.raises(AccessDenied):
        run("alice", "report", "--template", template, "--out", str(out))
    assert not out.exists()
    assert "are for people to write" in run("bob", "report", "--template", template, "--out", str(out)).stdout
    assert "north" in out.read_text() and "[WRITE" in out.read_text()
    with pytest.raises(InputError, match="no template"):
        run("bob", "report", "--template", "poem", "--out", str(out))
