"""What an administrator types at the server and at a site, from nothing to two nodes that may start."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dashboard.cli import app
from federated.plan import Plan
from policies.errors import ConfideError
from policies.files import canonical_json
from policies.workspace import Workspace
from tests.clinical.notes import cohort
from tests.federated.hospitals import PATIENTS, SITES, release, set_policy

runner = CliRunner()


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("server", *SITES):
        (tmp_path / name).mkdir()
        set_policy(Workspace(tmp_path / name))
    return tmp_path


def confide(where: str, *words: str, code: int = 0) -> str:
    result: Result = runner.invoke(app, [*words, "--workspace", where])
    if isinstance(result.exception, ConfideError):
        assert result.exception.exit_code == code, result.exception
        return result.exception.message
    assert result.exit_code == code, result.output
    return result.output


def joined(machines: Path) -> str:
    """Every site replied; gives the fingerprint that the server shows."""
    confide("server", "server", "init", "--name", "cardio", "--host", "localhost", "--port", "9092")
    for name in SITES:
        confide(name, "site", "init", name)
        confide("server", "server", "invite", name, "--out", f"{name}.invitation")
    for name in SITES:
        assert "join once more" in confide(name, "site", "join", f"{name}.invitation")
        said = confide("server", "server", "admit", f"{name}.reply")
    for name in SITES:
        confide("server", "server", "invite", name, "--out", f"{name}.invitation")
    (fingerprint,) = re.findall(r"(?:\d{5} ){11}\d{5}", said)
    return str(fingerprint)


def test_from_nothing_to_joined(machines: Path) -> None:
    fingerprint = joined(machines)
    for name in SITES:
        said = confide(name, "site", "join", f"{name}.invitation", "--fingerprint", fingerprint)
        assert fingerprint in said
    assert "does not run" in confide("server", "server", "status", code=8)
    assert "does not run" in confide("north", "site", "status", code=8)
    assert "did not run" in confide("server", "server", "stop")
    assert "did not run" in confide("north", "site", "stop")


def test_the_fingerprint_is_not_shown_before_it_was_typed(machines: Path) -> None:
    fingerprint = joined(machines)
    result = runner.invoke(app, ["site", "join", "north.invitation", "--workspace", "north"], input="1 2 3\n")
    assert isinstance(result.exception, ConfideError)
    assert fingerprint not in result.output + result.exception.message


def test_no_node_starts_before_it_joined(machines: Path) -> None:
    confide("north", "site", "init", "north")
    for command in (["start"], ["start", "--foreground"], ["status"]):
        assert "joined no federation" in confide("north", "site", *command, code=9)
    assert "no federation here" in confide("server", "server", "start", code=6)


def test_a_plan_is_approved_in_plain_words_by_a_member_and_among_members_only(machines: Path, plan: Plan) -> None:
    data = release(Workspace(machines / "north"), "north", cohort(PATIENTS, "n"))
    Path("plan.json").write_bytes(canonical_json(plan.model_dump(mode="json")))
    approve = ["site", "approve", "plan.json", str(data), "--yes"]
    assert "joined no federation" in confide("north", *approve, code=9)
    fingerprint = joined(machines)
    confide("north", "site", "join", "north.invitation", "--fingerprint", fingerprint)
    said = confide("north", *approve)
    assert "clipped to norm 1.0" in said
    assert f"approved plan {plan.digest[:16]}" in said
    again = confide("north", *approve)
    assert "approved here already" in again and "preparing" not in again
    stranger = plan.sites[1].model_copy(update={"name": "stranger"})
    other = plan.model_copy(update={"sites": (*plan.sites, stranger)})
    Path("plan.json").write_bytes(canonical_json(other.model_dump(mode="json")))
    assert "no site 'stranger'" in confide("north", *approve, code=9)


def test_yes_approves_no_plan_that_was_not_named(machines: Path) -> None:
    confide("north", "site", "init", "north")
    for digits in ((), ("d3bf",)):
        assert "--yes needs 8 digits" in confide("north", "site", "approve", *digits, "--yes", code=6)


def test_a_dismissed_site_replies_with_a_new_key(machines: Path) -> None:
    fingerprint = joined(machines)
    confide("north", "site", "join", "north.invitation", "--fingerprint", fingerprint)
    said = confide("server", "server", "dismiss", "north")
    assert "fingerprint" in said and "'confide server invite' for each of" in said
    confide("north", "site", "init", "north", "--new-key")
    confide("server", "server", "invite", "north", "--out", "north.invitation")
    assert "join once more" in confide("north", "site", "join", "north.invitation")
    assert fingerprint not in confide("server", "server", "admit", "north.reply")
