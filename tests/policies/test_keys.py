"""Keys are their owner's only, whole, and made once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.errors import IntegrityError
from policies.keys import (
    KeyRing,
    PublicKey,
    create_keys,
    open_keys,
    open_public,
    public_key_from_pem,
    public_key_pem,
    publish_key,
)

SECRETS = ("wrapping", "signing", "sealing", "pseudonyms")


def test_created_keys_are_four_secrets_in_one_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    made = create_keys(tmp_path / "keys", "north")
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()}
    assert modes == {"ring.key": 0o600, "public.pem": 0o644}
    secrets = {getattr(made.secrets, name) for name in SECRETS}
    assert len(secrets) == 4
    assert {len(secret) for secret in secrets} == {32}


def test_keys_that_exist_are_opened_not_replaced(tmp_path: Path) -> None:
    made, again = create_keys(tmp_path, "north"), create_keys(tmp_path, "north")
    assert made.secrets == again.secrets


def test_processes_that_make_keys_at_once_hold_the_same(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    program = """if True:
        import sys, time
        from pathlib import Path
        from policies import keys
        write = keys.write_whole
        keys.write_whole = lambda *all: (time.sleep(0.05), write(*all))
        print("ready"); input()
        ring = keys.create_keys(Path(sys.argv[1]), "north")
        print((ring.public.raw + ring.wrapping + ring.pseudonyms).hex())
    """
    processes = [start(program, tmp_path / "keys") for _ in range(3)]
    for process in processes:
        assert process.stdout and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
    assert len({process.stdout.readline() for process in processes if process.stdout}) == 1


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_keys_that_others_may_read_are_refused_with_the_command_to_close_them(tmp_path: Path, mode: int) -> None:
    create_keys(tmp_path, "north")
    (tmp_path / "ring.key").chmod(mode)
    with pytest.raises(IntegrityError, match=f"others may read this key .mode {mode:o}") as caught:
        open_keys(tmp_path, "north")
    assert caught.value.hint == f"Run 'chmod 600 {tmp_path / 'ring.key'}'."


@given(place=st.integers(0, 500), cut=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_a_file_of_keys_that_was_altered_or_cut_is_refused(tmp_path: Path, place: int, cut: bool) -> None:
    path = tmp_path / "ring.key"
    for name in ("ring.key", "public.pem"):
        (tmp_path / name).unlink(missing_ok=True)
    whole = (create_keys(tmp_path, "north"), path.read_bytes())[1]
    place %= len(whole) - 1  # but the last line feed
    path.write_bytes(whole[:place] if cut else whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(IntegrityError):
        open_keys(tmp_path, "north")


def test_keys_of_another_holder_do_not_open(tmp_path: Path) -> None:
    create_keys(tmp_path, "north")
    with pytest.raises(IntegrityError, match="is not of 'river'"):
        open_keys(tmp_path, "river")


def test_missing_keys_are_named(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=r"ring\.key: the keys cannot be read"):
        open_keys(tmp_path, "north")
    with pytest.raises(IntegrityError, match=r"public\.pem: the public key cannot be read"):
        open_public(tmp_path, "north")


def test_the_public_key_needs_no_secret_and_one_that_was_exchanged_is_refused(tmp_path: Path) -> None:
    keys = create_keys(tmp_path, "north")
    assert open_public(tmp_path, "north") == keys.public
    (tmp_path / "public.pem").write_bytes(public_key_pem(create_keys(tmp_path / "other", "north").public))
    with pytest.raises(IntegrityError, match="is not the key of 'north'"):
        create_keys(tmp_path, "north")


def test_a_former_public_key_gives_way_to_the_new_one_and_none_may_be_slipped_in(tmp_path: Path, keys: KeyRing) -> None:
    older, newer = PublicKey("north", keys.public.raw), PublicKey("north", bytes(31) + b"\1", (keys.public.raw,))
    publish_key(tmp_path / "at", older)
    publish_key(tmp_path / "at", newer)
    assert open_public(tmp_path / "at", "north").former == newer.former
    slipped = public_key_pem(PublicKey("north", newer.raw, (bytes(31) + b"\2",)))
    for key, there in ((older, public_key_pem(newer)), (newer, slipped)):
        (tmp_path / "at/public.pem").write_bytes(there)
        with pytest.raises(IntegrityError, match="is not the key of 'north'"):
            publish_key(tmp_path / "at", key)


def test_repr_shows_no_secret(keys: KeyRing) -> None:
    assert repr(keys) == "KeyRing(name='north')"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(message=st.binary(max_size=64), place=st.integers(0, 63))
def test_a_signature_holds_for_its_message_and_key_only(keys: KeyRing, message: bytes, place: int) -> None:
    signature = keys.sign(message)
    keys.public.verify(signature, message)
    altered = signature[:place] + bytes([signature[place] ^ 1]) + signature[place + 1 :]
    other = PublicKey("north", Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    for key, mark, text in (
        (keys.public, altered, message),
        (keys.public, signature, message + b"x"),
        (keys.public, signature[:-1], message),
        (other, signature, message),
        (PublicKey("north", b"short"), signature, message),
    ):
        with pytest.raises(IntegrityError, match="'north' does not verify"):
            key.verify(mark, text)


def test_a_former_key_holds_for_documents_and_for_nothing_else(keys: KeyRing) -> None:
    signature = keys.sign(b"then")
    newer = PublicKey("north", Ed25519PrivateKey.generate().public_key().public_bytes_raw(), (keys.public.raw,))
    newer.verify_document(signature, b"then")
    with pytest.raises(IntegrityError, match="does not verify"):
        newer.verify(signature, b"then")
    with pytest.raises(IntegrityError, match="does not verify"):
        newer.verify_document(signature, b"now")
    again = public_key_from_pem("north", public_key_pem(newer))
    assert (again, again.former) == (newer, newer.former)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=64), place=st.integers(0, 200))
def test_what_is_sealed_opens_whole_and_in_its_place_only(keys: KeyRing, data: bytes, place: int) -> None:
    sealed = keys.seal(data, "entry 7")
    assert keys.unseal(sealed, "entry 7") == data
    place %= len(sealed)
    altered = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
    for text, context in ((sealed, "entry 8"), (altered, "entry 7"), (sealed[:-1], "entry 7"), (b"", "entry 7")):
        with pytest.raises(IntegrityError, match="'north' sealed was altered"):
            keys.unseal(text, context)


def test_what_is_sealed_says_nothing_twice(keys: KeyRing) -> None:
    assert keys.seal(b"same", "here") != keys.seal(b"same", "here")


def test_ed25519_is_that_of_rfc_8032(keys: KeyRing) -> None:
    # RFC 8032, section 7.1, test 1.
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    ring = KeyRing("north", replace(keys.secrets, signing=seed))
    assert ring.public.raw.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert ring.sign(b"").hex().startswith("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155")


def test_pem_round_trip(keys: KeyRing) -> None:
    assert public_key_from_pem("north", public_key_pem(keys.public)) == keys.public


def elliptic_pem() -> bytes:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


# An algorithm (1.2.3.4) that no library knows.
UNKNOWN_PEM = b"-----BEGIN PUBLIC KEY-----\nMAwwBQYDKgMEAwMAAQI=\n-----END PUBLIC KEY-----\n"


@pytest.mark.parametrize("pem", [b"", b"no key", elliptic_pem(), UNKNOWN_PEM], ids=["empty", "text", "P-256", "1.2.3"])
def test_a_pem_without_an_ed25519_key_is_refused(pem: bytes) -> None:
    with pytest.raises(IntegrityError, match="the public key of 'river' is no Ed25519 key"):
        public_key_from_pem("river", pem)
