"""How a federation comes together, and every way in which a file on its way could have been changed."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from federated.provision.documents import read_invitation, write_invitation, write_reply
from federated.provision.founding import admit, dismiss, found, invite, read_roster
from federated.provision.membership import confirm, make_node, membership, reply_to
from policies.audit import read_entries
from policies.errors import ConfideError, InputError, IntegrityError, StorageError, TrainingError
from policies.events import Event
from policies.files import sha256_hex
from policies.guard import Guard
from policies.keys import create_keys
from policies.models import trusted_key
from tests.federated.hospitals import SITES
from tests.federated.provision.joining import Joined, all_joined, founded


def edit(path: Path, place: str, value: Any) -> Path:
    document = json.loads(path.read_bytes())
    inside = document
    *way, last = place.split(".")
    for step in way:
        inside = inside[step]
    inside[last] = value
    path.write_text(json.dumps(document))
    return path


def test_everybody_ends_with_one_roster(tmp_path: Path) -> None:
    joined = all_joined(tmp_path)
    rosters = [membership(joined.site(name)) for name in SITES]
    assert all(roster == read_roster(joined.server) for roster in rosters)
    for name in SITES:
        assert rosters[0].key_of(name).raw == joined.site(name).keys.public.raw
        workspace = joined.workspace(name)
        assert trusted_key(workspace.trusted, "server").raw == joined.server.keys.public.raw
        for secret in (joined.site(name).home.federation.node_key, joined.site(name).home.federation.executor_secret):
            assert stat.S_IMODE(secret.stat().st_mode) == 0o600
            assert stat.S_IMODE(secret.parent.stat().st_mode) == 0o700


def test_the_authoritys_key_stays_at_the_server(tmp_path: Path) -> None:
    joined = all_joined(tmp_path)
    key = joined.server.home.federation.authority_key.read_bytes()
    others = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "authority.key"]
    assert all(key.splitlines()[2] not in path.read_bytes() for path in others)
    assert all(b"PRIVATE" not in path.read_bytes() for path in tmp_path.glob("*.*"))


def test_no_site_starts_before_a_person_compared(tmp_path: Path) -> None:
    joined = founded(tmp_path)
    with pytest.raises(TrainingError, match="joined no federation"):
        membership(joined.site("north"))


def test_another_fingerprint_is_not_believed(tmp_path: Path) -> None:
    joined = all_joined(tmp_path)
    read = read_invitation(joined.invitation("north"))
    heard = read.roster.fingerprint
    wrong = heard[:-1] + ("0" if heard[-1] != "0" else "1")
    with pytest.raises(IntegrityError, match="not that of this invitation"):
        confirm(joined.site("north"), joined.workspace("north"), read, wrong)


def test_a_server_that_gives_a_site_another_key_for_a_neighbour_is_found_out(tmp_path: Path) -> None:
    joined = all_joined(tmp_path)
    true = read_roster(joined.server)
    false_key = create_keys(tmp_path / "false", "river").public.raw.hex()
    members = tuple(
        member.model_copy(update={"signing": false_key}) if member.name == "river" else member
        for member in true.members
    )
    path = tmp_path / "false.invitation"
    path.write_bytes(write_invitation(joined.server.keys, "north", true.model_copy(update={"members": members})))
    with pytest.raises(IntegrityError, match="not that of this invitation"):
        confirm(joined.site("north"), joined.workspace("north"), read_invitation(path), true.fingerprint)


def test_a_roster_with_another_key_for_oneself_is_refused_even_with_its_fingerprint(tmp_path: Path) -> None:
    joined = all_joined(tmp_path)
    true = read_roster(joined.server)
    members = tuple(
        member.model_copy(update={"signing": "7" * 64}) if member.name == "north" else member for member in true.members
    )
    path, false = tmp_path / "false.invitation", true.model_copy(update={"members": members})
    path.write_bytes(write_invitation(joined.server.keys, "north", false))
    with pytest.raises(IntegrityError, match="other keys for 'north'"):
        confirm(joined.site("north"), joined.workspace("north"), read_invitation(path), false.fingerprint)


def test_digits_that_are_missing_are_no_sign_of_tampering(tmp_path: Path) -> None:
    joined = all_joined(tmp_path)
    read = read_invitation(joined.invitation("north"))
    with pytest.raises(InputError, match="5 digits were typed, of 60"):
        confirm(joined.site("north"), joined.workspace("north"), read, "12345")


def test_an_invitation_that_lacks_a_site_cannot_be_confirmed(tmp_path: Path) -> None:
    joined = founded(tmp_path)
    read = read_invitation(joined.invitation("north"))
    with pytest.raises(InputError, match="not known yet"):
        confirm(joined.site("north"), joined.workspace("north"), read, read.roster.fingerprint)


@pytest.mark.parametrize(
    ("place", "value"),
    [("invitation.site", "river"), ("invitation.roster.host", "evil"), ("invitation.roster.port", 1)],
)
def test_an_edited_invitation_is_refused(tmp_path: Path, place: str, value: Any) -> None:
    joined = founded(tmp_path)
    with pytest.raises(IntegrityError):
        read_invitation(edit(joined.invitation("north"), place, value))


def test_an_invitation_is_for_one_site(tmp_path: Path) -> None:
    joined = founded(tmp_path)
    with pytest.raises(InputError, match="for 'river', not for 'north'"):
        reply_to(joined.site("north"), read_invitation(joined.invitation("river")))


@pytest.mark.parametrize(("place", "value"), [("reply.member.name", "river"), ("reply.federation", "other")])
def test_an_edited_reply_is_refused(tmp_path: Path, place: str, value: str) -> None:
    joined = founded(tmp_path)
    with pytest.raises(IntegrityError):
        admit(joined.server, edit(joined.reply("north"), place, value))
    assert read_roster(joined.server).members == ()


def test_a_reply_to_another_federation_or_of_a_stranger_is_refused(tmp_path: Path) -> None:
    joined = founded(tmp_path)
    node = read_reply_node(joined)
    other, stranger = tmp_path / "other.reply", tmp_path / "stranger.reply"
    other.write_bytes(write_reply(joined.site("north").keys, "other", node))
    stranger.write_bytes(write_reply(create_keys(tmp_path / "keys", "stranger"), "cardio", node))
    with pytest.raises(InputError, match="another federation"):
        admit(joined.server, other)
    with pytest.raises(InputError, match="not invited"):
        admit(joined.server, stranger)


def read_reply_node(joined: Joined) -> str:
    return str(json.loads(joined.reply("north").read_bytes())["reply"]["member"]["node"])


def test_who_is_dismissed_is_gone_and_the_fingerprint_another(tmp_path: Path) -> None:
    joined = all_joined(tmp_path)
    before = read_roster(joined.server).fingerprint
    after = dismiss(joined.server, "summit")
    assert (after.member("summit"), after.missing) == (None, ())
    assert after.fingerprint != before == membership(joined.site("north")).fingerprint
    last = read_entries(joined.server.home.audit, joined.server.keys.public)[-1]
    assert (last.event, last.details["site"]) == (Event.MEMBER_DISMISSED, "summit")


def test_every_key_of_a_node_is_logged(tmp_path: Path) -> None:
    joined = founded(tmp_path)
    site, made = joined.site("north"), list[str]()
    for new_key in (False, True):  # there is one since the federation was founded, so the first makes none
        make_node(site, new_key=new_key)
        made.append(sha256_hex(read_reply_node(joined).encode()))
    logged = read_entries(site.home.audit, site.keys.public)
    assert [entry.details["node"] for entry in logged if entry.event is Event.NODE_KEY_MADE] == made


def test_what_cannot_be_logged_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    joined = founded(tmp_path)
    key, roster = joined.site("north").home.federation.node_key, joined.server.home.federation.roster
    before = key.read_bytes(), roster.read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(Guard, "record", full)
    for act in (lambda: make_node(joined.site("north"), new_key=True), lambda: dismiss(joined.server, "summit")):
        with pytest.raises(StorageError):
            act()
    assert (key.read_bytes(), roster.read_bytes()) == before


def test_a_roster_that_cannot_be_logged_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    joined = founded(tmp_path)
    for name in SITES:
        admit(joined.server, joined.reply(name))
    record = Guard.record

    def full(guard: Guard, event: Event, **details: Any) -> None:
        if event is Event.ROSTER_CONFIRMED:
            raise StorageError("the disk is full")
        record(guard, event, **details)

    monkeypatch.setattr(Guard, "record", full)
    with pytest.raises(StorageError):
        joined.confirm("north")
    folder = joined.site("north").home.federation
    assert not folder.roster.exists()
    assert not folder.authority.exists()
    assert not list(joined.workspace("north").trusted.glob("*"))


def test_an_edited_roster_is_refused_on_both_sides(tmp_path: Path) -> None:
    joined = all_joined(tmp_path)
    edit(joined.site("north").home.federation.roster, "membership.host", "evil.example.org")
    edit(joined.server.home.federation.roster, "roster.host", "evil.example.org")
    with pytest.raises(IntegrityError):
        membership(joined.site("north"))
    with pytest.raises(IntegrityError):
        read_roster(joined.server)


def test_a_site_whose_node_has_another_key_has_to_join_again(tmp_path: Path) -> None:
    joined = all_joined(tmp_path)
    joined.site("north").home.federation.node_key.unlink()
    make_node(joined.site("north"))
    with pytest.raises(IntegrityError, match="other keys"):
        membership(joined.site("north"))


def test_a_federation_is_founded_once_and_no_site_is_called_server(tmp_path: Path) -> None:
    joined = founded(tmp_path)
    with pytest.raises(InputError, match="already"):
        found(joined.server, "cardio", "localhost", 9092)
    for name in ("server", "../north", "North"):
        with pytest.raises(InputError):
            invite(joined.server, name)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"invitation": 1}', '{"invitation": {"site": "north"}}', "\x00"])
def test_what_is_no_invitation_gives_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "any.invitation"
    path.write_text(text)
    with pytest.raises(ConfideError):
        read_invitation(path)
    with pytest.raises(ConfideError):
        read_invitation(tmp_path / "missing")
