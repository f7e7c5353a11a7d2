"""The fingerprint covers everything that somebody could change on the way, and nothing else changes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from federated.provision.authority import make_authority
from federated.provision.roster import Member, Roster, same_fingerprint
from policies.errors import TrainingError
from policies.workspace import FederationFolder


def node_key() -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return ec.generate_private_key(ec.SECP384R1()).public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def authority(folder: Path) -> str:
    made = FederationFolder(folder)
    make_authority(made, "cardio")
    return made.authority.read_text()


@pytest.fixture(scope="module")
def roster(tmp_path_factory: pytest.TempPathFactory) -> Roster:
    members = tuple(Member(name=name, signing=digit * 64, node=node_key()) for name, digit in (("a", "1"), ("b", "2")))
    return Roster(
        federation="cardio",
        host="localhost",
        port=9092,
        authority=authority(tmp_path_factory.mktemp("authority")),
        server="ab" * 32,
        invited=("a", "b"),
        members=members,
    )


def test_twelve_groups_of_five_digits(roster: Roster) -> None:
    groups = roster.fingerprint.split(" ")
    assert [len(group) for group in groups] == [5] * 12
    assert all(group.isdigit() for group in groups)


def test_every_key_is_covered(roster: Roster, tmp_path: Path) -> None:
    first, second = roster.members
    changes = (
        {"authority": authority(tmp_path)},
        {"server": "cd" * 32},
        {"federation": "other"},
        {"members": (first, second.model_copy(update={"signing": "3" * 64}))},
        {"members": (first, second.model_copy(update={"node": node_key()}))},
        {"members": (first,)},
        {"members": (first.model_copy(update={"name": "b"}), second.model_copy(update={"name": "a"}))},
    )
    prints = {roster.fingerprint, *(roster.model_copy(update=change).fingerprint for change in changes)}
    assert len(prints) == len(changes) + 1


def test_the_order_of_joining_is_nothing(roster: Roster) -> None:
    assert roster.model_copy(update={"members": roster.members[::-1]}).fingerprint == roster.fingerprint


def test_spaces_are_nothing_and_a_digit_is_everything(roster: Roster) -> None:
    told = roster.fingerprint
    assert same_fingerprint(told.replace(" ", "-"), told)
    other = str((int(told[-1]) + 1) % 10)
    assert not same_fingerprint(told[:-1] + other, told)
    assert not same_fingerprint("", "")
    assert not same_fingerprint(told[:5], told[:5])


def test_who_is_awaited(roster: Roster) -> None:
    assert roster.missing == ()
    assert roster.model_copy(update={"invited": ("a", "b", "c")}).missing == ("c",)


def test_a_site_is_known_by_its_key_and_a_stranger_by_none(roster: Roster) -> None:
    assert roster.key_of("b").raw == bytes.fromhex("2" * 64)
    with pytest.raises(TrainingError, match="no site 'c'"):
        roster.key_of("c")


@pytest.mark.parametrize(
    "change",
    [
        {"invited": ("a",)},
        {"server": "short"},
        {"port": 0},
        {"unknown": 1},
        {"members": ({"name": "../a", "signing": "1" * 64, "node": ""},)},
    ],
)
def test_a_roster_that_cannot_be_is_refused(roster: Roster, change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Roster.model_validate({**roster.model_dump(), **change})


def test_an_address_of_version_six_is_bracketed(roster: Roster) -> None:
    assert roster.model_copy(update={"host": "::1"}).address == "[::1]:9092"
