"""Keys are their owner's only, whole, and made once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.errors import IntegrityError
from policies.keys import KeyRing, PublicKey, create_keys, open_keys, public_key_from_pem, public_key_pem

FILES = ["signing.key", "wrapping.key", "pseudonyms.key"]


def test_created_keys_are_three_secrets_that_only_their_owner_reads(tmp_path: Path) -> None:
    create_keys(tmp_path / "keys", "north")
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert {path.name for path in (tmp_path / "keys").iterdir()} == {*FILES, "public.pem"}
    secrets = [(tmp_path / "keys" / file).read_bytes() for file in FILES]
    assert len(set(secrets)) == 3
    assert {len(secret) for secret in secrets} == {32}
    assert all((tmp_path / "keys" / file).stat().st_mode & 0o777 == 0o600 for file in FILES)


def test_keys_that_exist_are_opened_not_replaced(tmp_path: Path) -> None:
    made, again = create_keys(tmp_path, "north"), create_keys(tmp_path, "north")
    assert (made.public, made.wrapping, made.pseudonyms) == (again.public, again.wrapping, again.pseudonyms)


def test_an_interrupted_creation_is_finished_with_the_keys_already_there(tmp_path: Path) -> None:
    made = create_keys(tmp_path, "north")
    (tmp_path / "signing.key").unlink()
    assert create_keys(tmp_path, "north").wrapping == made.wrapping


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
@pytest.mark.parametrize("file", FILES)
def test_a_key_that_others_may_read_is_refused_with_the_command_to_close_it(
    tmp_path: Path, file: str, mode: int
) -> None:
    create_keys(tmp_path, "north")
    (tmp_path / file).chmod(mode)
    with pytest.raises(IntegrityError, match=f"others may read this key .mode {mode:o}") as caught:
        open_keys(tmp_path, "north")
    assert caught.value.hint == f"Run 'chmod 600 {tmp_path / file}'."


@pytest.mark.parametrize("length", [0, 31, 33])
@pytest.mark.parametrize("file", FILES)
def test_a_key_of_another_length_is_refused(tmp_path: Path, file: str, length: int) -> None:
    create_keys(tmp_path, "north")
    (tmp_path / file).write_bytes(b"k" * length)
    with pytest.raises(IntegrityError, match=f"{file}: {length} bytes where 32 belong"):
        open_keys(tmp_path, "north")


@pytest.mark.parametrize("file", FILES[1:])
def test_a_missing_key_is_not_quietly_made_anew(tmp_path: Path, file: str) -> None:
    create_keys(tmp_path, "north")
    (tmp_path / file).unlink()
    with pytest.raises(IntegrityError, match=f"{file}: the key cannot be read"):
        create_keys(tmp_path, "north")


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


def test_ed25519_is_that_of_rfc_8032(tmp_path: Path) -> None:
    create_keys(tmp_path, "north")
    # RFC 8032, section 7.1, test 1.
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    (tmp_path / "signing.key").write_bytes(seed)
    ring = open_keys(tmp_path, "north")
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
