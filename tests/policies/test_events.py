"""An entry is written so that it can be read back, chained, and never holds a float."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import IntegrityError
from policies.events import LARGEST_ENTRY, NO_ENTRY, Entry, Event, decode, encode
from policies.files import canonical_json

BEFORE = bytes(range(32))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)
)


def entry(sequence: int = 7, sealed: str = "", **details: object) -> Entry:
    return Entry(sequence, "2026-01-02T03:04:05.000006+00:00", "alice", "00ff" * 4, 3, Event.EVALUATED, details, sealed)


@given(st.integers(0, 2**40), st.dictionaries(st.text().filter(lambda key: key not in ("sequence", "sealed")), values))
def test_what_is_written_is_read_back(sequence: int, details: dict[str, object]) -> None:
    written = Entry(sequence, "2026-01-02", "åsa", "0" * 16, 0, Event.SIGNIN, details, "ab" * 32)
    assert decode(encode(written, BEFORE), sequence, BEFORE) == written


def test_an_entry_is_canonical_json_with_these_keys() -> None:
    line = encode(entry(notes=3), BEFORE)
    raw = json.loads(line)
    assert set(raw) == {"v", "seq", "time", "actor", "session", "n", "event", "details", "prev", "salt"}
    assert (raw["v"], raw["seq"], raw["n"], raw["event"]) == (2, 7, 3, "evaluation.made")
    assert (base64.b64decode(raw["prev"]), len(base64.b64decode(raw["salt"]))) == (BEFORE, 16)
    assert canonical_json(raw) == line
    assert json.loads(encode(entry(sealed="ab" * 32), BEFORE))["sealed"] == "ab" * 32


def test_equal_entries_are_written_with_different_salts() -> None:
    assert len({encode(entry(), BEFORE) for _ in range(20)}) == 20


@pytest.mark.parametrize("value", [1.0, float("nan"), np.float64(1), [1, [2.0]], {"a": {"b": 0.1}}, ("x", 0.5)])
def test_floats_are_refused_wherever_they_hide(value: object) -> None:
    with pytest.raises(IntegrityError, match="float") as caught:
        encode(entry(value=value), BEFORE)
    assert "decimal string" in caught.value.hint


def test_an_entry_over_64511_bytes_is_refused_and_the_largest_fits_into_the_one_that_carries_it() -> None:
    room = LARGEST_ENTRY - 1024 - len(encode(entry(text=""), BEFORE))
    line = encode(entry(text="x" * room), BEFORE)
    assert len(line) == 64511
    encode(
        Entry(2**40, "t" * 32, "a" * 256, "s" * 16, 2**40, Event.RELEASE_CARRIED, {"entry": json.loads(line)}), BEFORE
    )
    with pytest.raises(IntegrityError, match="64512 bytes is over 64511"):
        encode(entry(text="x" * (room + 1)), BEFORE)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b'"v":2', b'"v":3', "entry 7 has the unknown version 3"),
        (b'"v":2', b'"v":1', "entry 7 has the unknown version 1"),
        (b'"v":2', b'"w":2', "entry 7 is no entry of this version"),
        (b"evaluation.made", b"evaluation.lost", "entry 7 is no entry of this version"),
        (b'"seq":7', b'"seq":8', "entry 7 is not in its place, which holds number 8"),
        (b"{", b"[", "entry 7 is no entry of this version"),
        (b'"n":3,', b"", "entry 7 is no entry of this version"),
    ],
)
def test_what_another_version_wrote_is_refused(old: bytes, new: bytes, says: str) -> None:
    with pytest.raises(IntegrityError, match=says):
        decode(encode(entry(), BEFORE).replace(old, new, 1), 7, BEFORE)


def test_an_entry_follows_the_one_before_it_and_no_other() -> None:
    line = encode(entry(), BEFORE)
    with pytest.raises(IntegrityError, match="entry 6 was altered, or entry 7 was"):
        decode(line, 7, NO_ENTRY)
    assert decode(line, 7, None) == entry()


@given(st.binary(max_size=200))
def test_no_bytes_at_all_are_more_than_an_integrity_error(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        decode(data, 0, NO_ENTRY)
