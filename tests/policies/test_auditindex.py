"""The index of a log: it finds what the log holds, and never outlives it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sql
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.audit import AuditLog, read_entries
from policies.auditindex import AuditIndex, Search, read
from policies.database import Database, url_of
from policies.errors import IntegrityError
from policies.events import Entry, Event
from policies.exports.query import Outcome
from policies.keys import KeyRing
from policies.logview import look
from policies.retention import prune
from policies.savedqueries import SavedQueries
from policies.workspace import SiteHome

PATIENT, OTHER = "a" * 32, "b" * 32
ODD = ("100% sure_ly \\ 'x'", "ÄRZTIN ẞ", "<b>", "f" * 64, "e" * 64 + "0")
TODAY = datetime.now(UTC).date().isoformat()
DAYS = (("", ""), ("2000-01-01", ""), ("", TODAY), (TODAY, TODAY), ("", "2000-01-01"), ("2999-01-01", "2999-12-31"))
EVENTS = (Event.EXPORT_READ, Event.NOTE_VIEWED, Event.ACCESS_DENIED)


def _more(number: int) -> dict[str, object]:
    one = {"patient": PATIENT} if number % 4 == 0 else {}
    several = {"patients": [PATIENT, OTHER]} if number % 10 == 1 else {}
    return {"purpose": ("TREAT", "HOPERAT")[number % 2], **one, **several}


@pytest.fixture
def home(tmp_path: Path, keys: KeyRing, backend: str) -> SiteHome:
    return SiteHome("north", tmp_path)


@contextmanager
def tables(home: SiteHome) -> Iterator[sql.Connection]:
    """What somebody who may write to the index's tables can do."""
    with Database(url_of("north/index", home.audit_index), "index").transaction() as link:
        yield link


@pytest.fixture
def log(home: SiteHome, keys: KeyRing) -> AuditLog:
    """A log of 400 entries of every kind that a search tells apart."""
    logs = [AuditLog(home.audit, keys, actor) for actor in ("alice", "Bob <b>")]
    for start in range(0, 400, 100):
        group = [
            (EVENTS[number % 3], {"number": number, "words": ODD[number % 5], **_more(number)})
            for number in range(start, start + 100)
        ]
        logs[start // 100 % 2].append_all(group)
    return logs[0]


@pytest.fixture
def index(home: SiteHome, keys: KeyRing, log: AuditLog) -> AuditIndex:
    made = AuditIndex(home, keys.public)
    while made.follow(70)[1]:
        pass
    return made


def numbers(index: AuditIndex, asked: Search) -> list[int]:
    return [hit.sequence for hit in index.search(asked, 1000)]


asked_for = st.builds(
    lambda days, **asked: Search(*days, **asked),
    days=st.sampled_from(DAYS),
    event=st.sampled_from(("", *EVENTS)),
    actor=st.sampled_from(("", "alice", "Bob <b>", "nobody")),
    patient=st.sampled_from(("", PATIENT, OTHER, "c")),
    purpose=st.sampled_from(("", "TREAT", "HRESCH")),
    outcome=st.sampled_from(("", *Outcome)),
    text=st.one_of(st.sampled_from(("", " ", *ODD, "%", "_", "number 7", "NUMBER 7")), st.text(max_size=3)),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(asked=asked_for)
def test_it_finds_what_the_log_holds_and_nothing_else(
    index: AuditIndex, home: SiteHome, keys: KeyRing, asked: Search
) -> None:
    whole = read_entries(home.audit, keys.public)
    wanted = [entry.sequence for entry in whole if asked.matches(entry)]
    assert numbers(index, asked) == wanted[::-1]
    if asked.plain:
        assert sum(times for _, _, times in index.activity(asked)) == len(wanted)


def test_it_reads_on_where_it_was_in_steps_of_any_size(home: SiteHome, keys: KeyRing, log: AuditLog) -> None:
    index, left = AuditIndex(home, keys.public), 400
    while left:
        assert index.follow(70)[1] == max(0, left - 70)
        left = max(0, left - 70)
    log.append(Event.EXPORT_READ, number=400)
    assert (
        index.follow()[1] == 0 and numbers(index, Search())[:2] == [400, 399] and len(numbers(index, Search())) == 401
    )
    assert index.seen() == (sorted(EVENTS), ["Bob <b>", "alice"]) and index.knows(OTHER) and not index.knows("c")
    assert index.replaced() == []


def test_what_is_shown_is_the_logs_and_not_the_indexes(index: AuditIndex, home: SiteHome, keys: KeyRing) -> None:
    with tables(home) as rows:
        rows.exec_driver_sql("UPDATE entries SET actor = 'mallory' WHERE sequence = 7")
    view = look(home.audit, keys.public)
    (hit,) = index.search(Search(actor="mallory"), 9)
    assert [entry.actor for entry in read(view, [hit.sequence])] == ["alice"]
    found: list[Entry] = list(read(view, [399, 3, 3, 256, 0]))
    assert [entry.sequence for entry in found] == [0, 3, 256, 399]


def test_an_altered_entry_is_not_taken_in(home: SiteHome, keys: KeyRing, log: AuditLog) -> None:
    bundle = home.audit / "tile" / "entries" / "000"
    bundle.write_bytes(bundle.read_bytes().replace(b'"number":7,', b'"number":8,'))
    index = AuditIndex(home, keys.public)
    with pytest.raises(IntegrityError, match="entry 7"):
        index.follow()
    assert numbers(index, Search()) == []
    assert "entry 7" in index.check().failure and index.checked() == index.checked()


def test_a_check_is_kept_with_what_it_found(index: AuditIndex) -> None:
    assert index.checked() is None
    made = index.check()
    assert made.failure == "" and made.size == 400 and index.checked() == made


def test_rows_that_were_taken_out_are_noticed_by_a_check(index: AuditIndex, home: SiteHome) -> None:
    with tables(home) as rows:
        rows.exec_driver_sql("DELETE FROM entries WHERE sequence = 7")
    index.check()
    index.follow()
    assert 7 in numbers(index, Search())


def test_a_log_that_was_put_back_and_written_on_is_another(
    index: AuditIndex, home: SiteHome, keys: KeyRing, tmp_path: Path, log: AuditLog
) -> None:
    shutil.copytree(home.audit, tmp_path / "kept")
    log.append(Event.EXPORT_READ, number=-1)
    index.follow()
    shutil.rmtree(home.audit)
    (tmp_path / "kept").rename(home.audit)
    for number in range(3):
        AuditLog(home.audit, keys, "alice").append(Event.EXPORT_READ, words="after", number=number)
    index.follow()
    assert numbers(index, Search(text="number -1")) == [] and len(numbers(index, Search(text="after"))) == 3
    assert [size for _, size in index.replaced()] == [401] and index.follow()[1] == 0
    assert len(index.replaced()) == 1


def test_a_view_that_is_older_than_the_index_is_no_other_log(index: AuditIndex, home: SiteHome, keys: KeyRing) -> None:
    beside = AuditIndex(home, keys.public)
    AuditLog(home.audit, keys, "alice").append(Event.EXPORT_READ)
    beside.follow()
    index.follow()
    assert index.replaced() == [] and len(numbers(index, Search())) == 401


def test_what_was_pruned_from_the_log_is_gone_from_the_index(
    home: SiteHome, keys: KeyRing, log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = AuditIndex(home, keys.public)
    index.follow()
    monkeypatch.setattr("policies.retention.keep_from", lambda today, years: date(2999, 1, 1))
    prune(log, date(2998, 1, 1), 0)
    index.follow()
    assert min(numbers(index, Search())) == 256 and index.replaced() == []
    assert min(numbers(index, Search(patient=PATIENT))) >= 256


def test_saved_queries_are_sealed_and_outlive_the_rows(index: AuditIndex, home: SiteHome, keys: KeyRing) -> None:
    own, other = (SavedQueries(home, keys, account) for account in ("alice", "bob"))
    own.save("mine", Search(patient=PATIENT, text="x"))
    other.save("mine", Search(event="note.viewed"))
    own.save("mine", Search(patient=OTHER))
    assert own.every() == {"mine": Search(patient=OTHER)} and other.every() == {"mine": Search(event="note.viewed")}
    with tables(home) as rows:
        sealed = b"".join(bytes(row[0]) for row in rows.exec_driver_sql("SELECT sealed FROM queries"))
        rows.exec_driver_sql("DELETE FROM state")
    assert OTHER.encode() not in sealed and b"mine" not in sealed
    index.follow()
    own.delete("mine")
    assert own.every() == {} and other.every()
