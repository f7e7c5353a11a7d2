"""Keys under a passphrase or in the environment: they open with it, and with nothing else."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from policies.errors import InputError, IntegrityError
from policies.keyfile import Kept, kept_as
from policies.keys import create_keys, open_keys
from policies.passphrase import lock, unlock
from policies.rotation import protect
from tests.policies.logs import unlogged

PASSPHRASE = "correct horse battery"
KEK = bytes(range(32))


def ring(folder: Path) -> Path:
    return folder / "ring.key"


def test_keys_under_a_passphrase_open_with_it_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = create_keys(tmp_path, "north")
    protect(tmp_path, "north", PASSPHRASE, unlogged)
    assert base64.b64encode(made.wrapping) not in ring(tmp_path).read_bytes()
    with pytest.raises(IntegrityError, match="under a passphrase, and none was given"):
        open_keys(tmp_path, "north")
    monkeypatch.setenv("CONFIDE_PASSPHRASE", PASSPHRASE + "x")
    with pytest.raises(IntegrityError, match=r"ring\.key: wrong passphrase, or the file was altered") as wrong:
        open_keys(tmp_path, "north")
    assert "passphrase again" in wrong.value.hint and "compliance officer" not in wrong.value.hint
    monkeypatch.setenv("CONFIDE_PASSPHRASE", PASSPHRASE)
    assert open_keys(tmp_path, "north").secrets == made.secrets
    protect(tmp_path, "north", None, unlogged)
    monkeypatch.delenv("CONFIDE_PASSPHRASE")
    assert open_keys(tmp_path, "north").secrets == made.secrets


def test_the_passphrase_can_lie_in_a_file_of_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, file = tmp_path / "keys", tmp_path / "passphrase"
    made = create_keys(keys, "north")
    protect(keys, "north", PASSPHRASE, unlogged)
    file.write_text(PASSPHRASE + "\nwhat stands below does not count\n")
    monkeypatch.setenv("CONFIDE_PASSPHRASE_FILE", str(file))
    with pytest.raises(IntegrityError, match="others may read this passphrase"):
        open_keys(keys, "north")
    file.chmod(0o600)
    assert open_keys(keys, "north").secrets == made.secrets
    file.unlink()
    with pytest.raises(InputError, match="no passphrase can be read"):
        open_keys(keys, "north")


def test_keys_made_while_a_passphrase_is_given_stand_under_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFIDE_PASSPHRASE", PASSPHRASE)
    create_keys(tmp_path, "north")
    assert kept_as(ring(tmp_path)) is Kept.PASSPHRASE


def test_a_short_passphrase_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    create_keys(tmp_path, "north")
    before = ring(tmp_path).read_bytes()
    for short in ("", "eleven char"):
        with pytest.raises(InputError, match="too short"):
            protect(tmp_path, "north", short, unlogged)
    assert ring(tmp_path).read_bytes() == before


@pytest.mark.parametrize("part", ["salt", "sealed", "iterations", "lanes", "memory_kib"])
def test_every_part_of_a_locked_secret_counts(part: str) -> None:
    kept = lock(KEK, PASSPHRASE, b"north")
    assert unlock(kept, PASSPHRASE, b"north") == KEK
    for value in (None, "", 1, lock(KEK, PASSPHRASE, b"north")["salt"]):
        with pytest.raises(IntegrityError, match="wrong passphrase, or the file was altered"):
            unlock({**kept, part: value}, PASSPHRASE, b"north")
    with pytest.raises(IntegrityError, match="wrong passphrase, or the file was altered"):
        unlock(kept, PASSPHRASE, b"river")


def test_the_cost_is_the_second_recommendation_of_rfc_9106() -> None:
    kept = lock(KEK, PASSPHRASE, b"north")
    assert (kept["iterations"], kept["lanes"], kept["memory_kib"]) == (3, 4, 65536)
    assert kept["salt"] != lock(KEK, PASSPHRASE, b"north")["salt"]


def test_a_wrapping_key_of_the_environment_is_nowhere_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFIDE_KEK", base64.b64encode(KEK).decode())
    made = create_keys(tmp_path, "north")
    assert made.wrapping == KEK
    assert json.loads(ring(tmp_path).read_bytes())["wrapping"] == {"kept": "environment"}
    with pytest.raises(InputError, match="the wrapping key is in the environment"):
        protect(tmp_path, "north", PASSPHRASE, unlogged)
    monkeypatch.setenv("CONFIDE_KEK", base64.b64encode(bytes(32)).decode())
    with pytest.raises(IntegrityError, match="or the wrapping key is another"):
        open_keys(tmp_path, "north")
    monkeypatch.setenv("CONFIDE_KEK", "short")
    with pytest.raises(IntegrityError, match=r"\$CONFIDE_KEK is no key"):
        open_keys(tmp_path, "north")
    monkeypatch.delenv("CONFIDE_KEK")
    with pytest.raises(IntegrityError, match=r"is in \$CONFIDE_KEK, which is not set"):
        open_keys(tmp_path, "north")
