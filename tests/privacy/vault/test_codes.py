"""Random codes: stable in one workspace, derived from nothing, and forgotten with their patient."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import StorageError
from privacy.vault.codes import CodeBook, replace_codes
from privacy.vault.pseudonyms import Pseudonyms

SECRET = bytes(range(32))
KEYED = [Pseudonyms(SECRET).of("Patient", str(number)) for number in range(300)]
PAIRS = [(keyed, keyed) for keyed in KEYED]
ROOT = Path(__file__).parents[3]
PROGRAM = """
import json, sys
from pathlib import Path
from privacy.vault.codes import CodeBook
pairs = json.loads(sys.stdin.read())
book = CodeBook(Path(sys.argv[1]), bytes(range(32)))
found = {}
for start in range(0, len(pairs), 10):
    found.update(book.translate(map(tuple, pairs[start:start + 10])))
print(json.dumps(found))
"""


def test_a_code_stays_the_same_in_one_workspace_and_is_another_elsewhere(tmp_path: Path) -> None:
    """The same secret and the same identifiers elsewhere: what is derived from them would be the same."""
    first = CodeBook(tmp_path / "a", SECRET).translate(PAIRS)
    assert CodeBook(tmp_path / "a", SECRET).translate(reversed(PAIRS)) == first
    elsewhere = CodeBook(tmp_path / "b", SECRET).translate(PAIRS)
    assert len({*KEYED, *first.values(), *elsewhere.values()}) == 3 * len(KEYED)
    assert all(len(code) == 32 and int(code, 16) for code in first.values())


def test_two_processes_at_once_agree(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "vault")]
    running = [
        subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)
    ]
    for process in running:
        process.stdin.write(json.dumps(PAIRS))
        process.stdin.close()
    one, two = (json.loads(process.stdout.read()) for process in running)
    assert [process.wait() for process in running] == [0, 0]
    assert one == two and len(one) == len(KEYED)


def test_the_table_names_nobody(tmp_path: Path) -> None:
    CodeBook(tmp_path, SECRET).translate(PAIRS)
    data = (tmp_path / "originals.sqlite").read_bytes()
    assert not any(keyed.encode() in data or bytes.fromhex(keyed) in data for keyed in KEYED)


def test_a_patient_is_forgotten_with_all_that_is_theirs_alone(tmp_path: Path) -> None:
    book, (one, two, doctor, ward, *visits) = CodeBook(tmp_path, SECRET), KEYED[:50]
    pairs = [(one, one), (two, two), (doctor, one), (doctor, two), (ward, ""), (ward, one)]
    pairs += [(visit, one) for visit in visits]
    before = book.translate(pairs)
    assert book.forget(before[one]) == 1 + len(visits)
    assert book.forget(before[one]) == 0
    after = book.translate(pairs)
    assert {keyed for keyed in before if before[keyed] != after[keyed]} == {one, *visits}


def test_no_trace_of_a_forgotten_code_lies_on_the_disk(tmp_path: Path) -> None:
    book = CodeBook(tmp_path, SECRET)
    code = book.translate([(KEYED[0], KEYED[0]), (KEYED[1], KEYED[1])])[KEYED[0]]
    assert code.encode() in (tmp_path / "originals.sqlite").read_bytes()
    book.forget(code)
    assert code.encode() not in (tmp_path / "originals.sqlite").read_bytes()


def test_a_batch_that_fails_keeps_no_code(tmp_path: Path) -> None:
    book = CodeBook(tmp_path, SECRET)
    with sqlite3.connect(tmp_path / "originals.sqlite") as rows:
        rows.execute("CREATE TRIGGER full BEFORE INSERT ON codes WHEN (SELECT count(*) FROM codes) = 3 "
                     "BEGIN SELECT RAISE(ABORT, 'no'); END")  # fmt: skip
    with pytest.raises(StorageError):
        book.translate(PAIRS[:10])
    with sqlite3.connect(tmp_path / "originals.sqlite") as rows:
        assert rows.execute("SELECT count(*) FROM codes").fetchone() == (0,)


@given(st.lists(st.sampled_from([*KEYED[:3], "/", " ", '"', "Patient", "|", "0", "ab", "x"]), max_size=12))
def test_known_pseudonyms_are_swapped_wherever_they_stand_as_words(parts: list[str]) -> None:
    codes = {KEYED[0]: "1" * 32, KEYED[1]: "2" * 32}
    text = " ".join(parts)
    assert replace_codes(text, codes) == " ".join(codes.get(part, part) for part in parts)


def test_a_longer_hash_is_no_pseudonym() -> None:
    codes = {KEYED[0]: "1" * 32}
    assert replace_codes(f"{KEYED[0]}{KEYED[1]}", codes) == f"{KEYED[0]}{KEYED[1]}"
    assert (
        replace_codes(f'"Patient/{KEYED[0]}","\\n{KEYED[0]}\\n"', codes) == f'"Patient/{"1" * 32}","\\n{"1" * 32}\\n"'
    )
