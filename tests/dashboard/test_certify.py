"""confide certify at the command line, from the draw to the verified statement."""

from __future__ import annotations

import json
import shutil

import pytest
from typer.testing import CliRunner

from dashboard.commands.certify import app
from policies.errors import AccessDenied, InputError, IntegrityError
from policies.guard import open_site
from policies.keys import public_key_pem
from tests.clinical.outputs import write_output

TEXTS = ["Seen by [NAME].\x1b[31m Zebulon Quist came.", "Zebulon Quist came."]  # in any order


@pytest.fixture
def acting(tmp_path, monkeypatch, with_reviewers, as_account):
    """Runs a command as an account; gives its output."""
    workspace = with_reviewers("olga")
    site = open_site(workspace, "north", "olga")
    write_output(tmp_path / "out", site.keys, TEXTS)
    monkeypatch.chdir(tmp_path)

    def run(account, *arguments, text=""):
        return as_account(app, workspace, account, *arguments, text=text).output

    run.site, run.workspace = site, workspace
    return run


def test_from_the_draw_to_a_statement_that_a_stranger_verifies(acting, tmp_path):
    open_site(acting.workspace, "river", "olga")  # another site: whose review it is need not be said
    drawn = acting("olga", "draw", "out", "--notes", "20")
    assert "drew 2 of 2 notes" in drawn and "nothing replaced" in drawn
    review = drawn.split("confide certify review ")[1].split("'")[0]
    # One typo, one category that is none, then the words; nothing in the other note.
    acting("anna", "review", review, text="Quest\nNAME\nZebulon Quist\nshoe\nZebulon Quist\nname\n\n\n\n\n")
    assert "anna" in (status := acting("olga", "status", review)) and "NAME" not in status
    with pytest.raises(InputError, match="1 of 2"):
        acting("olga", "sign", review)
    shown = acting("bob", "review", review, text="\n\n")
    assert "--- note 1 of 2 ---" in shown and "\x1b[31m" not in shown and "judged all 2 notes" in shown
    with pytest.raises(AccessDenied):
        acting("bob", "sign", review)
    signed = acting("olga", "sign", review, "--out", "certificate.json")
    assert "read by anna and bob" in signed and "says nothing of" in signed
    assert "signed:" in acting("olga", "status", review)
    (tmp_path / "north.pem").write_bytes(public_key_pem(acting.site.keys.public))
    assert "verified" in acting("nobody", "verify", "certificate.json", "--key", "north.pem")
    told = json.loads(acting("nobody", "verify", "certificate.json", "--json"))
    assert told["categories"]["NAME"]["leaks"] == 1 and told["reviewers"] == ["anna", "bob"]


def test_an_edited_statement_and_a_missing_key_are_errors(acting, tmp_path):
    drawn = acting("olga", "draw", "out")
    review = drawn.split("confide certify review ")[1].split("'")[0]
    for name in ("anna", "bob"):
        acting(name, "review", review, text="\n\n")
    acting("olga", "sign", review, "--out", "c.json")
    with pytest.raises(InputError, match="cannot be read"):
        acting("x", "verify", "c.json", "--key", "none.pem")
    path = tmp_path / "c.json"
    path.write_bytes(path.read_bytes().replace(b'"sample":2', b'"sample":9'))
    with pytest.raises(IntegrityError):
        acting("x", "verify", "c.json")


def test_a_review_that_no_site_or_more_than_one_has(acting):
    drawn = acting("olga", "draw", "out")
    review = drawn.split("confide certify review ")[1].split("'")[0]
    river = open_site(acting.workspace, "river", "olga")
    with pytest.raises(InputError, match="no site of this workspace has a review 'none'"):
        acting("olga", "status", "none")
    shutil.copytree(acting.site.home.reviews, river.home.reviews)
    with pytest.raises(InputError, match="more than one site"):
        acting("olga", "status", review)
    assert review in acting("olga", "status", review, "--site", "north")


@pytest.mark.parametrize("command", ["draw", "review", "status", "sign", "verify"])
def test_help_has_an_example(command):
    assert "Example: confide certify" in CliRunner().invoke(app, [command, "--help"]).output
