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
from policies.auditindex import AuditIndex, Search, Torn, read
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
    made = AuditIndex(home, keys)
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
    index, left = AuditIndex(home, keys), 400
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
    index = AuditIndex(home, keys)
    with pytest.raises(IntegrityError, match="entry 7"):
        index.follow()
    assert numbers(index, Search()) == []
    assert "entry 7" in index.check().failure and index.checked() == index.checked()


def test_a_check_is_kept_with_what_it_found(index: AuditIndex) -> None:
    assert index.checked() is None
    made = index.check()
    assert made.failure == "" and made.size == 400 and index.checked() == made


ABOUT = [number for number in range(399, -1, -1) if number % 4 == 0 or number % 10 == 1]  # entries that name PATIENT
SPOILED = {
    "an entry hidden": "DELETE FROM entries WHERE sequence = 8",
    "a name hidden": f"DELETE FROM named WHERE sequence = 8 AND patient = '{PATIENT}'",
    "every name hidden": f"DELETE FROM named WHERE patient = '{PATIENT}'",
    "a name made up": f"INSERT INTO named SELECT 2, patient, bucket FROM named WHERE patient = '{PATIENT}' LIMIT 1",
    "a name of one to come": "INSERT INTO named SELECT 999, patient, bucket FROM named WHERE sequence = 8",
    "in another bucket": f"UPDATE named SET bucket = 1023 - bucket WHERE sequence = 8 AND patient = '{PATIENT}'",
    "another time": "UPDATE entries SET time = '2001-01-01' WHERE sequence = 8",
    "another event": "UPDATE entries SET event = 'page.viewed' WHERE sequence = 8",
    "another account": "UPDATE entries SET actor = 'bob' WHERE sequence = 8",
    "another purpose": "UPDATE entries SET purpose = 'HLEGAL' WHERE sequence = 8",
    "other details": "UPDATE entries SET facts = 'nothing' WHERE sequence = 8",
}


@pytest.mark.parametrize("how", SPOILED)
def test_nobody_hides_or_makes_up_what_is_asked_about_a_patient(index: AuditIndex, home: SiteHome, how: str) -> None:
    assert numbers(index, Search(patient=PATIENT)) == ABOUT
    with tables(home) as rows:
        rows.exec_driver_sql(SPOILED[how])
    with pytest.raises(Torn, match="about patients"):
        index.search(Search(patient=PATIENT), 1000)
    assert len(index.torn()) == 1
    index.follow()
    assert numbers(index, Search(patient=PATIENT)) == ABOUT and index.knows(PATIENT)


def test_a_patient_of_whom_all_is_hidden_is_not_unknown(index: AuditIndex, home: SiteHome) -> None:
    with tables(home) as rows:
        rows.exec_driver_sql(f"DELETE FROM named WHERE patient = '{OTHER}'")
    with pytest.raises(Torn):
        index.knows(OTHER)


@pytest.mark.parametrize("what", ["chains = (SELECT sealed FROM other)", "size = 300", "first = 1", "root = '00'"])
def test_what_is_kept_of_the_chains_is_the_holders(index: AuditIndex, home: SiteHome, keys: KeyRing, what: str) -> None:
    with tables(home) as rows:
        rows.execute(
            sql.text("CREATE TABLE other (sealed " + ("bytea" if rows.dialect.name == "postgresql" else "blob") + ")")
        )
        rows.execute(sql.text("INSERT INTO other VALUES (:own)"), {"own": keys.seal(bytes(32768), "another place")})
        rows.exec_driver_sql(f"UPDATE followed SET {what}")
    with pytest.raises(Torn):
        index.search(Search(patient=PATIENT), 1000)
    assert index.torn()
    index.follow()
    assert numbers(index, Search(patient=PATIENT)) == ABOUT


def test_tables_of_an_earlier_time_are_not_asked_about_a_patient(
    index: AuditIndex, home: SiteHome, keys: KeyRing, log: AuditLog
) -> None:
    """Rows and chains that were put back together still prove each other, and lack what came since."""
    with tables(home) as rows:
        kept = rows.exec_driver_sql("SELECT first, size, root, chains FROM followed").one()
    log.append(Event.NOTE_VIEWED, patient=PATIENT)
    index.follow()
    with tables(home) as rows:
        rows.exec_driver_sql("DELETE FROM entries WHERE sequence = 400")
        rows.exec_driver_sql("DELETE FROM named WHERE sequence = 400")
        rows.exec_driver_sql("DELETE FROM followed")
        put = sql.text("INSERT INTO followed VALUES (:first, :size, :root, :chains)")
        rows.execute(put, dict(kept._mapping))
    with pytest.raises(Torn):
        index.search(Search(patient=PATIENT), 1000)
    index.follow()
    assert numbers(index, Search(patient=PATIENT)) == [400, *ABOUT]


@pytest.mark.parametrize(
    "how",
    [
        *SPOILED.values(),
        "UPDATE activity SET entries = entries + 1 WHERE event = 'note.viewed'",
        "DELETE FROM activity",
        "UPDATE entries SET sequence = 900 WHERE sequence = 7",
        "UPDATE followed SET size = 0",
        "INSERT INTO entries SELECT -1, time, event, actor, purpose, facts FROM entries WHERE sequence = 7;"
        "UPDATE activity SET entries = entries + 1 WHERE (hour, event, actor) IN "
        "(SELECT substr(time, 1, 13), event, actor FROM entries WHERE sequence = 7)",
    ],
)
def test_a_check_compares_every_row_with_the_log(index: AuditIndex, home: SiteHome, how: str) -> None:
    before = index.activity(Search())
    with tables(home) as rows:
        for statement in how.split(";"):
            rows.exec_driver_sql(statement)
    assert index.check().failure == "" and len(index.torn()) == 1
    index.follow()
    assert numbers(index, Search()) == list(range(399, -1, -1)) and index.activity(Search()) == before
    assert index.check().failure == "" and len(index.torn()) == 1


@pytest.mark.parametrize("table", ["entries", "named"])
def test_rows_in_the_place_of_entries_to_come_keep_none_of_them_out(
    index: AuditIndex, home: SiteHome, log: AuditLog, table: str
) -> None:
    with tables(home) as rows:
        rows.exec_driver_sql(f"UPDATE {table} SET sequence = 400 WHERE sequence = 1")
    log.append(Event.NOTE_VIEWED, patient=OTHER)
    index.follow()
    assert len(index.torn()) == 1 and numbers(index, Search())[:2] == [400, 399]
    assert numbers(index, Search(patient=OTHER))[0] == 400


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
    beside = AuditIndex(home, keys)
    AuditLog(home.audit, keys, "alice").append(Event.EXPORT_READ)
    beside.follow()
    index.follow()
    assert index.replaced() == [] and len(numbers(index, Search())) == 401


def test_what_was_pruned_from_the_log_is_gone_from_the_index(
    home: SiteHome, keys: KeyRing, log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = AuditIndex(home, keys)
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
        rows.exec_driver_sql("DELETE FROM followed")
    assert OTHER.encode() not in sealed and b"mine" not in sealed
    index.follow()
    own.delete("mine")
    assert own.every() == {} and other.every()
