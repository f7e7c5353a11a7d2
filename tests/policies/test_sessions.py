"""Sessions: how long they go on, and what ends them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policies.access import Purpose
from policies.database import Database, url_of
from policies.policy import OpenId, Policy, Role, SignIn, default_policy_text, load_policy
from policies.sessions import Choice, Sessions

CHOICE = Choice(Role.CLINICIAN, Purpose.TREATMENT, "north")


class World:
    """A clock, a policy that may change, and the sessions under it."""

    def __init__(self, folder: Path) -> None:
        self.now = datetime(2026, 11, 23, 8, tzinfo=UTC)
        (folder / "policy.toml").write_text(default_policy_text("anna"))
        rules = SignIn(idle_minutes=15, session_hours=2, openid=OpenId(roles={"doctors": frozenset([Role.CLINICIAN])}))
        self.policy = load_policy(folder / "policy.toml").model_copy(update={"signin": rules})
        self.database = Database(url_of("people", folder / "people.sqlite"), "sessions")

    @property
    def sessions(self) -> Sessions:
        return Sessions(self.database, self.policy, lambda: self.now)

    def wait(self, **time: float) -> None:
        self.now += timedelta(**time)

    def let(self, *roles: Role, account: str = "anna") -> None:
        self.policy = Policy.model_copy(self.policy, update={"people": {account: frozenset(roles)}})


@pytest.fixture
def world(tmp_path: Path, backend: str) -> World:
    return World(tmp_path)


def test_a_token_opens_its_session_alone(world: World) -> None:
    anna, other = world.sessions.begin("anna"), world.sessions.begin("anna")
    found = world.sessions.find(anna)
    assert found and (found.account, found.method, found.choice) == ("anna", "password", None)
    world.sessions.choose(anna, CHOICE)
    assert world.sessions.find(anna).choice == CHOICE and world.sessions.find(other).choice is None
    world.sessions.end(anna)
    assert world.sessions.find(anna) is None and world.sessions.find(other)
    for made_up in ("", "x", anna[:-1], anna + "x"):
        assert world.sessions.find(made_up) is None


def test_a_session_ends_when_nobody_does_anything_and_looking_is_nothing(world: World) -> None:
    token = world.sessions.begin("anna")
    for _ in range(3):
        world.wait(minutes=14)
        assert world.sessions.find(token)
    for _ in range(2):
        world.wait(minutes=7)
        assert world.sessions.find(token, active=False)
    world.wait(minutes=2)
    assert world.sessions.find(token, active=False) is None
    world.now -= timedelta(minutes=10)
    assert world.sessions.find(token) is None  # what ended stays ended, whatever the clock says


def test_a_session_ends_after_its_longest_time_however_busy_it_is(world: World) -> None:
    token = world.sessions.begin("anna")
    for _ in range(12):
        world.wait(minutes=10)
        assert world.sessions.find(token)
    world.wait(minutes=1)
    assert world.sessions.find(token) is None


@pytest.mark.parametrize("after", [(), (Role.CLINICIAN,), (*Role,)])
def test_a_session_ends_when_the_roles_change(world: World, after: tuple[Role, ...]) -> None:
    world.let(Role.CLINICIAN, Role.HOSPITAL_IT)
    token = world.sessions.begin("anna")
    assert world.sessions.find(token)
    world.let(*after)
    assert world.sessions.find(token) is None
    world.let(Role.CLINICIAN, Role.HOSPITAL_IT)
    assert world.sessions.find(token) is None


def test_every_session_of_an_account_ends_at_once(world: World) -> None:
    tokens = [world.sessions.begin("anna") for _ in range(2)]
    world.sessions.end_all("anna")
    assert [world.sessions.find(token) for token in tokens] == [None, None]


def test_groups_of_the_directory_give_roles_and_one_sign_in_begins_one_session(world: World) -> None:
    assert world.sessions.begin_with("claims", "carl", ["doctors", "others"])
    found = world.sessions.find("claims")
    assert found and found.roles == {Role.CLINICIAN} and found.method == "openid"
    assert not world.sessions.begin_with("claims", "carl", ["doctors"])
    world.sessions.end("claims")
    assert not world.sessions.begin_with("claims", "carl", ["doctors"]) and world.sessions.find("claims") is None
    assert world.sessions.begin_with("other claims", "carl", []) and world.sessions.find("other claims") is None


def test_a_name_of_the_directory_is_no_name_of_ours_unless_the_policy_says_so(world: World) -> None:
    """In some directories people choose their own names: one who is called as an account here gets nothing by that."""
    world.sessions.begin_with("claims", "anna", [])
    assert world.sessions.find("claims") is None
    openid = world.policy.signin.openid.model_copy(update={"people": True})
    rules = world.policy.signin.model_copy(update={"openid": openid})
    world.policy = world.policy.model_copy(update={"signin": rules})
    world.sessions.begin_with("other claims", "anna", [])
    assert world.sessions.find("other claims").roles == frozenset(Role)


def test_a_choice_of_a_role_that_is_not_held_is_none(world: World) -> None:
    world.let(Role.HOSPITAL_IT)
    token = world.sessions.begin("anna")
    world.sessions.choose(token, CHOICE)
    assert world.sessions.find(token).choice is None


def test_what_lies_there_opens_nothing(world: World, tmp_path: Path, backend: str) -> None:
    token = world.sessions.begin("anna")
    if backend == "sqlite":
        assert token.encode() not in (tmp_path / "people.sqlite").read_bytes()
    found = world.sessions.find(token)
    assert found and world.sessions.find(found.key) is None
