"""A key is changed whole or not at all, wherever the change is killed; what was signed or sealed before still holds."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from policies import rotation, succession
from policies.audit import AuditLog, read_entries, verify
from policies.errors import InputError, IntegrityError
from policies.events import Event
from policies.keyfile import Kept, kept_as
from policies.keys import KeyRing, create_keys, open_keys, open_public
from policies.models import open_model, sign_model, trust
from policies.notes import Verifier, open_note
from policies.rotation import Rotation, protect
from policies.succession import check_succession
from policies.workspace import SiteHome
from tests.policies.logs import unlogged

PASSPHRASE = "correct horse battery"


class KilledError(BaseException):
    """As kill -9 would: nothing catches it."""


@pytest.fixture
def home(tmp_path: Path) -> SiteHome:
    made = SiteHome("north", tmp_path / "north")
    AuditLog(made.audit, create_keys(made.keys, "north"), "alice").append(Event.EXPORT_READ)
    return made


def rotation_of(home: SiteHome) -> Rotation:
    return Rotation(home, "alice", {"policy": "p"})


def logged(home: SiteHome, event: Event) -> list[dict]:
    entries = read_entries(home.audit, open_keys(home.keys, home.name).public)
    return [dict(entry.details) for entry in entries if entry.event is event]


class Vaults:
    """Data keys as a vault holds them: each under one wrapping key."""

    def __init__(self, keys: KeyRing) -> None:
        self.under = [keys.wrapping] * 3
        self.kill_after = 99

    def rewrap(self, old: bytes, new: bytes) -> int:
        for place, key in enumerate(self.under):
            if place == self.kill_after:
                raise KilledError
            assert key in (old, new)
            self.under[place] = new
        return len(self.under)


def test_a_new_signing_key_signs_the_log_and_the_old_one_signed_it(home: SiteHome) -> None:
    old = open_keys(home.keys, "north")
    new = rotation_of(home).signing()
    assert open_keys(home.keys, "north").secrets == new.secrets
    assert open_public(home.keys, "north") == new.public != old.public
    assert open_public(home.keys, "north").former == (old.public.raw,)
    assert new.former == (old.public,)
    assert (new.wrapping, new.pseudonyms) == (old.wrapping, old.pseudonyms)
    assert verify(home.audit, new.public).warnings == ()
    with pytest.raises(IntegrityError, match="unknown key"):
        read_entries(home.audit, old.public)
    (rotated,), (created,) = logged(home, Event.KEY_ROTATED), logged(home, Event.KEY_CREATED)
    assert check_succession("north", rotated) == new.public
    signers = open_note(created["checkpoint"].encode(), [Verifier(old.public), Verifier(new.public)])[1]
    assert {signer.key for signer in signers} == {old.public, new.public}
    assert rotated["policy"] == created["policy"] == "p"


def test_a_forged_succession_is_refused(home: SiteHome, tmp_path: Path) -> None:
    new = rotation_of(home).signing()
    (rotated,) = logged(home, Event.KEY_ROTATED)
    other = base64.b64encode(create_keys(tmp_path / "other", "north").public.raw).decode()
    for forged in ({**rotated, "new": other}, {**rotated, "old": other}, {"new": other}):
        with pytest.raises(IntegrityError):
            check_succession("north", forged)
    with pytest.raises(IntegrityError):
        check_succession("river", rotated)
    assert check_succession("north", rotated) == new.public


def test_models_signed_before_are_still_trusted_and_no_other_key_is(home: SiteHome, tmp_path: Path) -> None:
    old = open_keys(home.keys, "north")
    trust(tmp_path / "trusted", old.public)
    before = sign_model(tmp_path / "models", b"weights", {}, old)
    new = rotation_of(home).signing()
    trust(tmp_path / "trusted", new.public)
    after = sign_model(tmp_path / "models", b"more weights", {}, new)
    for model in (before, after):
        assert open_model(model.folder, tmp_path / "trusted").name == model.name
    with pytest.raises(IntegrityError, match="another key of 'north' is trusted"):
        trust(tmp_path / "trusted", create_keys(tmp_path / "other", "north").public)


def test_a_process_under_the_old_key_cannot_write_any_more(home: SiteHome) -> None:
    running = AuditLog(home.audit, open_keys(home.keys, "north"), "bob")
    running.append(Event.EXPORT_READ)
    new = rotation_of(home).signing()
    with pytest.raises(IntegrityError):
        running.append(Event.EXPORT_READ)
    assert verify(home.audit, new.public).signed.size == 4


@pytest.mark.parametrize("step", ["append", "_cosigned", "_commit", "publish_key"])
def test_a_signing_key_is_changed_whole_wherever_it_is_killed(
    home: SiteHome, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: object, **__: object) -> None:
        raise KilledError

    places = {"append": AuditLog, "_cosigned": succession, "_commit": rotation, "publish_key": rotation}
    with monkeypatch.context() as patched, pytest.raises(KilledError):
        patched.setattr(places[step], step, kill)
        rotation_of(home).signing()
    begun = rotation_of(home).unfinished()
    assert begun == (step != "publish_key")
    new = rotation_of(home).signing() if begun else create_keys(home.keys, "north")
    assert verify(home.audit, new.public).warnings == ()
    assert len(new.former) == 1
    assert open_public(home.keys, "north").former == new.public.former
    assert {check_succession("north", entry) for entry in logged(home, Event.KEY_ROTATED)} == {new.public}
    assert len(logged(home, Event.KEY_CREATED)) == 1


def test_what_was_sealed_and_wrapped_opens_after_a_new_wrapping_key(home: SiteHome) -> None:
    old = open_keys(home.keys, "north")
    sealed, vaults = old.seal(b"reason", "entry 7"), Vaults(old)
    new = rotation_of(home).wrapping(vaults.rewrap)
    assert open_keys(home.keys, "north").secrets == new.secrets
    assert new.wrapping != old.wrapping
    assert set(vaults.under) == {new.wrapping}
    assert new.unseal(sealed, "entry 7") == b"reason"
    assert (new.public, new.pseudonyms) == (old.public, old.pseudonyms)
    (rotated,) = logged(home, Event.KEY_ROTATED)
    assert (rotated["kind"], rotated["data_keys"], rotated["kept"]) == ("wrapping", 3, "file")
    assert old.wrapping.hex() not in str(rotated) and new.wrapping.hex() not in str(rotated)


@pytest.mark.parametrize("killed", [0, 1, 2, "append", "_commit"])
def test_a_wrapping_key_is_changed_whole_wherever_it_is_killed(
    home: SiteHome, killed: int | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: object, **__: object) -> None:
        raise KilledError

    vaults = Vaults(open_keys(home.keys, "north"))
    with monkeypatch.context() as patched, pytest.raises(KilledError):
        if isinstance(killed, int):
            patched.setattr(vaults, "kill_after", killed)
        else:
            patched.setattr(rotation if killed == "_commit" else AuditLog, killed, kill)
        rotation_of(home).wrapping(vaults.rewrap)
    with pytest.raises(InputError, match="change of the wrapping key was not finished"):
        rotation_of(home).signing()
    with pytest.raises(InputError, match="change of the wrapping key was not finished"):
        protect(home.keys, "north", PASSPHRASE, unlogged)
    new = rotation_of(home).wrapping(vaults.rewrap)
    assert set(vaults.under) == {new.wrapping} == {open_keys(home.keys, "north").wrapping}
    assert not rotation_of(home).unfinished()


def test_a_passphrase_stays_over_both_changes(home: SiteHome, monkeypatch: pytest.MonkeyPatch) -> None:
    protect(home.keys, "north", PASSPHRASE, unlogged)
    monkeypatch.setenv("CONFIDE_PASSPHRASE", PASSPHRASE)
    rotation_of(home).signing()
    new = rotation_of(home).wrapping(lambda old, new: 0)
    assert kept_as(home.ring) is Kept.PASSPHRASE
    assert open_keys(home.keys, "north").secrets == new.secrets


def test_a_wrapping_key_can_move_into_the_environment_and_out_of_it(
    home: SiteHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = bytes(range(32)), bytes(range(1, 33))
    for key in (first, second):
        monkeypatch.setenv("CONFIDE_KEK_NEXT", base64.b64encode(key).decode())
        rotation_of(home).wrapping(lambda old, new: 0)
        assert kept_as(home.ring) is Kept.ENVIRONMENT
        monkeypatch.setenv("CONFIDE_KEK", base64.b64encode(key).decode())
        assert open_keys(home.keys, "north").wrapping == key
    rotation_of(home).signing()
    assert kept_as(home.ring) is Kept.ENVIRONMENT
    monkeypatch.delenv("CONFIDE_KEK_NEXT")
    new = rotation_of(home).wrapping(lambda old, new: 0)
    monkeypatch.delenv("CONFIDE_KEK")
    assert open_keys(home.keys, "north").wrapping == new.wrapping not in (first, second)
