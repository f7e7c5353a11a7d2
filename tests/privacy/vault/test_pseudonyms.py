import hashlib

import pytest

from privacy.vault.pseudonyms import Pseudonyms

OURS, THEIRS = Pseudonyms(b"a" * 32), Pseudonyms(b"b" * 32)


def test_same_value_same_pseudonym_at_one_hospital_and_no_other():
    assert OURS.of("Patient", "p1") == OURS.of("Patient", "p1")
    assert OURS.of("Patient", "p1") != THEIRS.of("Patient", "p1")
    assert OURS.of("Patient", "p1") != OURS.of("Encounter", "p1")
    assert OURS.of("ab", "c") != OURS.of("a", "bc")


def test_no_pseudonym_is_an_unkeyed_hash():
    for hashed in (b"p1", b"Patient\0p1"):
        assert hashlib.sha256(hashed).hexdigest()[:32] != OURS.of("Patient", "p1")


def test_128_bits_in_hexadecimal():
    assert len(bytes.fromhex(OURS.of("Patient", "p1"))) == 16


def test_a_short_secret_is_refused_and_a_secret_is_never_shown():
    with pytest.raises(ValueError, match="32"):
        Pseudonyms(b"short")
    assert "aaaa" not in repr(OURS)
