"""Two accounts at the command line: one asks, the other agrees, the first sees who it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from typer.testing import Result

from dashboard.commands.reidentify import app
from policies.errors import AccessDenied, InputError
from policies.workspace import Workspace
from privacy.vault.originals import Vault
from privacy.vault.sealing import seal_value
from tests.privacy.hospital import CANARY, at, hospital

REASON = "a critical result"
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, as_account: Run) -> Run:
    return partial(as_account, app, hospital(tmp_path / "w"))


def asked(run: Run, by: str = "alice") -> str:
    assert run(by, "request", "p1", "--purpose", "TREAT", "--reason", REASON).exit_code == 0
    (found,) = json.loads(run(by, "list", "--json").stdout)
    return str(found["id"])


def test_one_asks_another_agrees_and_the_first_sees_the_patient(run: Run) -> None:
    number = asked(run)
    assert REASON in run("bob", "list").stdout
    assert "alice may see the patient until" in run("bob", "approve", number).stdout
    shown = run("alice", "show", number).stdout
    assert f"{CANARY} A. Quist" in shown and "785-2774" in shown
    assert "approved by bob" in run("alice", "list").stdout


def test_nobody_agrees_with_themselves(run: Run) -> None:
    number = asked(run, "carol")
    with pytest.raises(AccessDenied, match="two persons") as own:
        run("carol", "approve", number)
    with pytest.raises(AccessDenied, match="not approved") as early:
        run("carol", "show", number)
    for refused in (own, early):
        assert refused.value.hint == f"One of these runs 'confide reidentify approve {number}', or refuses it: bob."


def test_a_refusal_tells_the_requester_why(run: Run) -> None:
    number = asked(run)
    run("bob", "refuse", number, "--reason", "the chart has it")
    assert "refused by bob" in run("alice", "list").stdout
    (found,) = json.loads(run("alice", "list", "--json").stdout)
    assert (found["state"], found["refusal"]) == ("refused", "the chart has it")


def test_a_text_with_tokens_is_opened(run: Run, tmp_path: Path) -> None:
    number = asked(run)
    run("bob", "approve", number)
    site = at(Workspace(tmp_path / "w"), "alice")
    token = seal_value(Vault(site.home.vault, site.keys.wrapping).key_of("p1"), "p1", CANARY)
    assert run("alice", "show", number, "--text", "-", text=f"[NAME:{token}] coughs").stdout == f"{CANARY} coughs\n"


def test_an_unknown_purpose_and_an_empty_list(run: Run) -> None:
    for purpose in ("FUN", "HRESCH"):
        with pytest.raises(InputError, match=purpose) as refused:
            run("alice", "request", "p1", "--purpose", purpose, "--reason", REASON)
        assert refused.value.hint == "Use one of: TREAT, PATRQT, PATSFTY, HLEGAL."
    assert run("alice", "list").stdout == "no request\n"
