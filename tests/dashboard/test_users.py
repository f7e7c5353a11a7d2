"""confide users: accounts from the command line, and what of it is logged."""

from __future__ import annotations

import json

import pytest

from dashboard.commands.users import app
from dashboard.signin import accounts, sessions, sign_in
from policies.accounts import SignInRefused
from policies.errors import AccessDenied, InputError
from policies.events import Event
from policies.guard import account_name

PASSWORD = "a long walk home in rain"


@pytest.fixture
def users(as_account, workspace):
    def run(*words, text=""):
        return as_account(app, workspace, account_name(), *words, text=text)

    return run


def test_an_account_is_made_signs_in_and_is_removed(users, workspace, events):
    me = account_name()
    assert "made" in users("add", me, text=f"{PASSWORD}\n").output
    token = sign_in(workspace, me, PASSWORD)
    (row,) = json.loads(users("list", "--json").stdout)
    assert row["name"] == me and "hospital_it" in row["roles"] and row["locked_until"] == ""
    given = users("password", me, "--generate").output.rsplit(" ", 1)[-1].strip()
    assert sessions(workspace).find(token) is None and given != PASSWORD
    token = sign_in(workspace, me, given)
    users("remove", me)
    assert sessions(workspace).find(token) is None and accounts(workspace).all() == []
    assert [e["change"] for e in events(Event.ACCOUNT_CHANGED)] == ["added", "password", "removed"]
    assert PASSWORD not in str(events(Event.ACCOUNT_CHANGED)) and given not in str(events(Event.ACCOUNT_CHANGED))


def test_a_locked_account_is_unlocked(users, workspace):
    users("add", "anna", text=f"{PASSWORD}\n")
    for _ in range(5):
        with pytest.raises(SignInRefused):
            accounts(workspace).check("anna", "wrong")
    assert json.loads(users("list", "--json").stdout)[0]["locked_until"]
    users("unlock", "anna")
    accounts(workspace).check("anna", PASSWORD)


def test_an_account_that_the_policy_does_not_name_is_said(users):
    assert "it has no role yet" in users("add", "zoe", text=f"{PASSWORD}\n").output


def test_a_weak_password_makes_nothing(users, workspace):
    with pytest.raises(InputError, match="15 to 256"):
        users("add", "anna", text="short\n")
    assert accounts(workspace).all() == []


def test_only_hospital_it_manages_accounts(users, workspace, let, events):
    let("clinician", "compliance_officer")
    with pytest.raises(AccessDenied):
        users("add", "anna", text=f"{PASSWORD}\n")
    assert events(Event.ACCESS_DENIED)[0]["action"] == "manage_accounts"
    let("hospital_it")
    assert accounts(workspace).all() == []
