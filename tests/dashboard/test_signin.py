"""Signing in and out: who gets a session, and what of it stands in the log."""

from __future__ import annotations

import pytest

from dashboard import signin
from policies.access import Purpose
from policies.accounts import SignInRefused
from policies.errors import PolicyError
from policies.events import Event
from policies.policy import Role
from policies.sessions import Choice

PASSWORD = "a long walk home in rain"
CLAIMS = {"preferred_username": "carl", "groups": ["doctors"], "iat": 1, "nonce": "n"}


@pytest.fixture
def people(workspace):
    """anna is a clinician, bob has no role, and the directory's doctors are clinicians."""
    text = workspace.policy.read_text().replace("[people]", '[people]\nanna = ["clinician"]')
    workspace.policy.write_text(text + '\n[signin.openid.roles]\ndoctors = ["clinician"]\n')
    for name in ("anna", "bob"):
        signin.accounts(workspace).add(name, PASSWORD)
    return workspace


def test_a_password_begins_a_session_and_the_log_holds_it(people, site, events):
    token = signin.sign_in(people, "anna", PASSWORD)
    assert signin.sessions(people).find(token).account == "anna"
    (entry,) = events(Event.SIGNIN)
    assert (entry["method"], entry["roles"]) == ("password", ["clinician"]) and token not in str(entry)
    signin.sign_out(people, token)
    assert signin.sessions(people).find(token) is None and len(events(Event.SIGNOUT)) == 1
    signin.sign_out(people, token)
    assert len(events(Event.SIGNOUT)) == 1


def test_a_wrong_password_is_logged_and_what_was_typed_as_a_name_is_not(people, site, events):
    from policies.audit import read_entries

    for name in ("anna", "my secret sentence"):
        with pytest.raises(SignInRefused):
            signin.sign_in(people, name, "wrong")
    entries = [e for e in read_entries(site.home.audit, site.keys.public) if e.event is Event.SIGNIN_FAILED]
    assert [entry.actor for entry in entries] == ["anna", "nobody"]
    assert b"secret sentence" not in b"".join(p.read_bytes() for p in site.home.audit.rglob("*") if p.is_file())


def test_an_account_without_a_role_gets_no_session(people, events):
    with pytest.raises(PolicyError, match="no role"):
        signin.sign_in(people, "bob", PASSWORD)
    assert events(Event.SIGNIN) == [] and events(Event.SIGNIN_FAILED)[0]["reason"] == "no role"


def test_the_hospitals_directory_signs_in_once(people, events):
    token = signin.token_of(CLAIMS)
    for _ in range(2):
        signin.sign_in_with(people, CLAIMS)
    session = signin.sessions(people).find(token)
    assert (session.account, session.roles) == ("carl", {Role.CLINICIAN}) and len(events(Event.SIGNIN)) == 1
    signin.sign_out(people, token)
    signin.sign_in_with(people, CLAIMS)
    assert signin.sessions(people).find(token) is None  # the same sign-in is over; another one has another time
    signin.sign_in_with(people, CLAIMS | {"iat": 2})
    assert signin.sessions(people).find(signin.token_of(CLAIMS | {"iat": 2}))


@pytest.mark.parametrize(
    "claims", [{"groups": ["doctors"]}, CLAIMS | {"preferred_username": ""}, CLAIMS | {"groups": "x"}]
)
def test_claims_that_name_nobody_or_give_no_role_open_nothing(people, claims, events):
    with pytest.raises(PolicyError):
        signin.sign_in_with(people, claims)
    assert signin.sessions(people).find(signin.token_of(claims)) is None and events(Event.SIGNIN) == []


def test_nobody_chooses_a_role_that_is_not_given(people, events):
    token = signin.sign_in(people, "anna", PASSWORD)
    session = signin.sessions(people).find(token)
    with pytest.raises(PolicyError):
        signin.choose(people, token, session, Choice(Role.COMPLIANCE_OFFICER, Purpose.OPERATIONS, "north"))
    assert signin.sessions(people).find(token).choice is None and events(Event.PURPOSE_CHOSEN) == []
