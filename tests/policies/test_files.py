"""Nothing is ever half written, and equal values are equal bytes."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import StorageError
from policies.files import OWNER_ONLY, canonical_json, file_sha256, sha256_hex, storage_errors, table_of, write_whole

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_canonical_json_round_trips_and_is_one_line(value: Any) -> None:
    line = canonical_json(value)
    assert json.loads(line) == value
    assert canonical_json(json.loads(line)) == line
    assert b"\n" not in line


def test_canonical_json_does_not_depend_on_the_order_of_keys() -> None:
    assert canonical_json({"b": "é", "a": [1]}) == canonical_json({"a": [1], "b": "é"}) == '{"a":[1],"b":"é"}'.encode()


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_canonical_json_refuses_what_json_does_not_have(number: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json({"a": number})


def test_a_table_is_read_once_and_a_missing_one_is_an_error() -> None:
    assert table_of("policies", "legal")["safe_harbor"]["statement"]
    assert table_of("policies", "legal") is table_of("policies", "legal")
    with pytest.raises(FileNotFoundError):
        table_of("policies", "none")


def test_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == sha256_hex(b"abc")
    assert sha256_hex(b"abc").startswith("ba7816bf8f01cfea")  # FIPS 180-4, example B.1


def test_write_makes_the_folder_and_sets_the_mode_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        write_whole(tmp_path / "deep" / "open", b"a")
        write_whole(tmp_path / "deep" / "closed", b"a", OWNER_ONLY)
    finally:
        os.umask(old)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "deep").iterdir()}
    assert modes == {"open": 0o644, "closed": 0o600}


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "a"
    write_whole(path, b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os if step == "fsync" else Path, step, full)
        with pytest.raises(StorageError, match="disk is full"):
            write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_bytes_are_on_the_disk_before_the_name_points_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def flushed(handle: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else f"{os.fstat(handle).st_size} bytes")
        fsync(handle)

    def renamed(beside: Path, path: Path) -> Path:
        steps.append("rename")
        return replace(beside, path)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "replace", renamed)
    write_whole(tmp_path / "a", b"abc")
    assert steps == ["3 bytes", "rename", "folder"]


@pytest.mark.parametrize(
    ("number", "says"), [(errno.EACCES, "no right"), (errno.EDQUOT, "full"), (errno.EIO, "Input/output error")]
)
def test_what_the_machine_refuses_names_the_place(number: int, says: str) -> None:
    with pytest.raises(StorageError, match=rf"^/some/place: .*{says}"), storage_errors(Path("/some/place")):
        raise OSError(number, "no")


def test_a_file_where_a_folder_belongs_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(StorageError, match="/a/b: "):
        write_whole(tmp_path / "a" / "b", b"")
