"""Accounts: who may sign in, and how guessing is slowed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest

from policies.accounts import Accounts, SignInRefused
from policies.database import Database, url_of
from policies.errors import InputError
from policies.policy import SignIn

PASSWORD = "a long walk home in rain"
RULES = SignIn(tries=3, locked_minutes=10)


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(autouse=True)
def cheap(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a password costs is looked at in one test; the others need not wait for it."""
    if "hashed" not in request.node.name:
        monkeypatch.setattr("policies.accounts._MEMORY_KIB", 64)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(tmp_path: Path, clock: Clock, backend: str) -> Accounts:
    made = Accounts(Database(url_of("people", tmp_path / "people.sqlite"), "accounts"), RULES, clock)
    made.add("anna", PASSWORD)
    return made


def wrong(accounts: Accounts, times: int = 1, name: str = "anna") -> None:
    for _ in range(times):
        with pytest.raises(SignInRefused):
            accounts.check(name, "a long walk home in snow")


def test_the_right_password_opens_and_any_other_does_not(accounts: Accounts) -> None:
    accounts.check("anna", PASSWORD)
    for other in ("", PASSWORD.upper(), PASSWORD + " ", PASSWORD * 100):
        with pytest.raises(SignInRefused):
            accounts.check("anna", other)
            pytest.fail(other)
        accounts.unlock("anna")


def test_a_locked_account_refuses_the_right_password_until_its_time_is_over(accounts: Accounts, clock: Clock) -> None:
    wrong(accounts, 2)
    accounts.check("anna", PASSWORD)
    wrong(accounts, 3)  # the right one in between set the count back
    with pytest.raises(SignInRefused) as refused:
        accounts.check("anna", PASSWORD)
    assert refused.value.account == "anna"
    assert accounts.all()[0].locked_until == clock.now + timedelta(minutes=10)
    clock.now += timedelta(minutes=10, seconds=1)
    wrong(accounts)  # one more try, and it is locked again
    with pytest.raises(SignInRefused):
        accounts.check("anna", PASSWORD)
    clock.now += timedelta(minutes=10, seconds=1)
    accounts.check("anna", PASSWORD)


def test_an_unknown_name_gets_the_same_answer_and_locks_nobody(accounts: Accounts) -> None:
    messages = set()
    for name in ("nobody", "anna"):
        with pytest.raises(SignInRefused) as refused:
            accounts.check(name, "wrong wrong wrong")
        messages.add((refused.value.message, refused.value.hint))
    assert len(messages) == 1
    wrong(accounts, 5, "nobody")
    accounts.check("anna", PASSWORD)


def test_no_more_passwords_are_tried_than_counted_however_many_come_at_once(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty at once: only as many as the policy lets reach a comparison that could succeed."""
    from policies import accounts as module

    real, compared = module._is, []

    def counted(password: str, kept: str) -> bool:
        compared.append(kept)
        return real(password, kept)

    monkeypatch.setattr(module, "_is", counted)
    threads = [Thread(target=wrong, args=(accounts,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(SignInRefused):
        accounts.check("anna", PASSWORD)
    assert accounts.all()[0].tries == RULES.tries


def test_names_that_no_account_may_have(accounts: Accounts) -> None:
    for name in ("", "a\0b", "x" * 300):
        with pytest.raises(InputError, match="no name"):
            accounts.add(name, PASSWORD)
        wrong(accounts, 7, name)  # nobody's row, which counts these, is no account
        with pytest.raises(InputError):
            accounts.change(name, PASSWORD)
    assert [own.name for own in accounts.all()] == ["anna"]


def test_unlocking_changing_and_removing(accounts: Accounts) -> None:
    wrong(accounts, 3)
    accounts.unlock("anna")
    accounts.check("anna", PASSWORD)
    wrong(accounts, 3)
    accounts.change("anna", "another sentence entirely")
    accounts.check("anna", "another sentence entirely")
    wrong(accounts)
    accounts.remove("anna")
    for act in (accounts.unlock, accounts.remove, lambda name: accounts.change(name, PASSWORD)):
        with pytest.raises(InputError, match="no account 'anna'"):
            act("anna")
    with pytest.raises(SignInRefused):
        accounts.check("anna", "another sentence entirely")


@pytest.mark.parametrize("weak", ["short", "x" * 300, "a" * 20, "annabella is her name", "ab" * 10])
def test_a_weak_password_makes_no_account(accounts: Accounts, weak: str) -> None:
    with pytest.raises(InputError):
        accounts.add("annabella", weak)
    assert [own.name for own in accounts.all()] == ["anna"]


def test_a_name_is_given_once_and_passwords_lie_hashed(accounts: Accounts, tmp_path: Path, backend: str) -> None:
    with pytest.raises(InputError, match="already"):
        accounts.add("anna", PASSWORD)
    if backend == "sqlite":
        kept = (tmp_path / "people.sqlite").read_bytes()
        assert PASSWORD.encode() not in kept and b"$argon2id$v=19$m=65536,t=3,p=1$" in kept
