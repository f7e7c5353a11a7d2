"""Notes are those of C2SP and of Go's sumdb/note; nothing that is torn, altered or a stranger's passes."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import IntegrityError
from policies.keys import KeyRing, PublicKey, create_keys
from policies.notes import Checkpoint, Kind, Verifier, cosignature_line, open_note, sign_note, signature_line

# The example of golang.org/x/mod/sumdb/note.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_KEY = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
WORDS = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETERS_LINE = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
TREE = Checkpoint("north", 4, bytes(range(32)))


class Signer:
    """Signs with the key of the example."""

    def __init__(self, name: str, seed: bytes) -> None:
        self.name, self._private = name, Ed25519PrivateKey.from_private_bytes(seed)
        self.public = PublicKey(name, self._private.public_key().public_bytes_raw())
        self.sign = self._private.sign


@pytest.fixture
def witness(tmp_path: Path) -> KeyRing:
    return create_keys(tmp_path / "witness", "river")


def test_the_example_of_go_opens_and_is_written_byte_for_byte() -> None:
    peter = Verifier.from_vkey(PETER)
    note = WORDS + b"\n" + PETERS_LINE.encode()
    assert (peter.key.name, peter.id.hex(), peter.vkey) == ("PeterNeumann", "c74f20a3", PETER)
    assert open_note(note, [peter]) == (WORDS, {peter: 0})
    assert sign_note(WORDS, Signer("PeterNeumann", base64.b64decode(PETERS_KEY)[1:])) == note


def test_a_cosignature_is_what_c2sp_says(keys: KeyRing, witness: KeyRing) -> None:
    line = cosignature_line(TREE.text(), witness, 1679315147)
    raw = base64.b64decode(line.split(b" ")[2])
    assert len(raw) == 4 + 8 + 64 and int.from_bytes(raw[4:12], "big") == 1679315147
    witness.public.verify(raw[12:], b"cosignature/v1\ntime 1679315147\n" + TREE.text())
    own, theirs = Verifier(keys.public), Verifier(witness.public, Kind.COSIGNATURE)
    assert raw[:4] == theirs.id != Verifier(witness.public).id
    note = sign_note(TREE.text(), keys) + line
    assert open_note(note, [own, theirs]) == (TREE.text(), {own: 0, theirs: 1679315147})


def test_strangers_are_not_looked_at_and_are_not_enough(keys: KeyRing, witness: KeyRing) -> None:
    note = sign_note(TREE.text(), witness, keys)
    own, other = Verifier(keys.public), Verifier(witness.public)
    assert open_note(note, [own])[1].keys() == {own}
    assert open_note(note, [own, other])[1].keys() == {own, other}
    with pytest.raises(IntegrityError, match="unknown key"):
        open_note(sign_note(TREE.text(), witness), [own])
    with pytest.raises(IntegrityError, match="unknown key"):
        open_note(note, [Verifier(witness.public, Kind.COSIGNATURE)])


def test_a_signature_of_a_known_key_that_fails_spoils_the_note(keys: KeyRing, witness: KeyRing) -> None:
    stolen = signature_line(b"another\n", witness)
    with pytest.raises(IntegrityError, match="signature of 'river' does not verify"):
        open_note(sign_note(TREE.text(), keys) + stolen, [Verifier(keys.public), Verifier(witness.public)])


def test_another_time_on_a_cosignature_is_found(witness: KeyRing) -> None:
    raw = base64.b64decode(cosignature_line(TREE.text(), witness, 7).split(b" ")[2])
    later = base64.b64encode(raw[:4] + (8).to_bytes(8, "big") + raw[12:])
    note = TREE.text() + b"\n\xe2\x80\x94 river " + later + b"\n"
    with pytest.raises(IntegrityError, match="does not verify"):
        open_note(note, [Verifier(witness.public, Kind.COSIGNATURE)])


def test_any_flipped_bit_and_any_cut_of_a_note_is_refused(keys: KeyRing) -> None:
    note = sign_note(TREE.text(), keys)
    for place in range(len(note)):
        for bit in (1, 0x20, 0x80):
            with pytest.raises(IntegrityError):
                open_note(note[:place] + bytes([note[place] ^ bit]) + note[place + 1 :], [Verifier(keys.public)])
        with pytest.raises(IntegrityError):
            open_note(note[:place], [Verifier(keys.public)])


def test_base64_that_merely_decodes_to_the_same_bytes_is_refused(keys: KeyRing) -> None:
    note = sign_note(TREE.text(), keys)
    other = chr(note[-3] + 1) if chr(note[-3]) not in "/9Zz" else "A"
    same = note[:-3] + other.encode() + note[-2:]
    assert base64.b64decode(same.split(b" ")[-1]) == base64.b64decode(note.split(b" ")[-1])
    with pytest.raises(IntegrityError, match="no base64"):
        open_note(same, [Verifier(keys.public)])


@given(st.binary(max_size=300))
def test_no_bytes_at_all_are_more_than_an_integrity_error(data: bytes) -> None:
    for read in (lambda: open_note(data, [Verifier.from_vkey(PETER)]), lambda: Checkpoint.parse(data)):
        with pytest.raises(IntegrityError):
            read()


def test_a_text_may_hold_empty_lines(keys: KeyRing) -> None:
    text = b"first\n\nthird\n"
    assert open_note(sign_note(text, keys), [Verifier(keys.public)])[0] == text


@pytest.mark.parametrize("place", range(len(PETER)))
def test_a_verifier_key_with_any_other_letter_is_refused(place: int) -> None:
    with pytest.raises(IntegrityError):
        Verifier.from_vkey(PETER[:place] + chr(ord(PETER[place]) ^ 1) + PETER[place + 1 :])


def test_a_checkpoint_is_read_back_and_what_follows_its_three_lines_is_let_be() -> None:
    assert Checkpoint.parse(TREE.text()) == TREE
    assert Checkpoint.parse(TREE.text() + b"more\n") == TREE


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"north\n4\n",
        b"north\n04\n" + TREE.text().split(b"\n")[2] + b"\n",
        b"north\n-4\n" + TREE.text().split(b"\n")[2] + b"\n",
        b"\n4\n" + TREE.text().split(b"\n")[2] + b"\n",
        b"north\n4\nAAAA\n",
        TREE.text()[:-1],
        TREE.text() + b"\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: bytes) -> None:
    with pytest.raises(IntegrityError):
        Checkpoint.parse(text)
