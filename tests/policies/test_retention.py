"""Old entries go, releases stay, and what stays verifies as before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from policies import audit, retention
from policies.audit import AuditLog, publish, read_entries, verify
from policies.errors import InputError, IntegrityError
from policies.events import Entry, Event
from policies.keys import KeyRing, create_keys
from policies.logview import LogView, look, read_checkpoint
from policies.retention import Pruned, keep_from, logged_releases, prune, releases_of
from policies.tiles import WIDTH
from policies.tlog import check_consistency, check_inclusion, leaf_hash
from tests.policies.logs import files_of

YEARS = 1
SPENT = [3, 200, 300, 511, 600]  # the entries, one to a day, that are releases


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    return create_keys(tmp_path_factory.mktemp("keys"), "north")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, keys: KeyRing) -> Path:
    """700 entries, one to a day from the first of January 2020 on."""
    log = AuditLog(tmp_path_factory.mktemp("made"), keys, "alice")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: None)
        for number in range(700):
            patched.setattr(audit, "_now", (datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=number)).isoformat)
            event = Event.BUDGET_SPENT if number in SPENT else Event.NOTE_VIEWED
            log.append(event, sealed=b"%d" % number if number in (5, 200, 650) else None, number=number)
    return log.folder


@pytest.fixture
def log(tmp_path: Path, made: Path, keys: KeyRing) -> AuditLog:
    return AuditLog(shutil.copytree(made, tmp_path / "audit"), keys, "alice")


def day(number: int) -> date:
    return date(2020, 1, 1) + timedelta(days=number)


def numbers(log: AuditLog) -> list[int]:
    return [entry.details["number"] for entry in read_entries(log.folder, log.key) if "number" in entry.details]


@pytest.mark.parametrize(("before", "until"), [(0, 0), (255, 0), (256, 256), (511, 256), (512, 512), (1000, 512)])
def test_whole_bundles_go_whose_entries_are_all_older(log: AuditLog, before: int, until: int) -> None:
    carried = sum(number < until for number in SPENT)
    assert prune(log, day(before), YEARS) == Pruned(0, until, carried)
    assert numbers(log) == list(range(until, 700))
    found = verify(log.folder, log.key)
    assert (found.first, found.warnings) == (until, ())
    bundles = {path for path in files_of(log.folder) if path.startswith("tile/entries")}
    assert bundles == {f"tile/entries/00{index}" for index in range(until // WIDTH, 2)}


def test_releases_are_recomputed_as_if_nothing_had_gone(log: AuditLog) -> None:
    before = releases_of(read_entries(log.folder, log.key))
    assert [entry.details["number"] for entry in before] == SPENT
    for cut in (300, 600):
        prune(log, day(cut), YEARS)
        assert releases_of(read_entries(log.folder, log.key)) == before


def test_what_was_read_once_is_read_no_second_time(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    first, asked = logged_releases(log.folder, log.key), list[int]()
    entries = LogView.entries

    def noted(view: LogView, start: int = 0, end: int | None = None) -> Iterator[Entry]:
        asked.append(start)
        return entries(view, start, end)

    monkeypatch.setattr(LogView, "entries", noted)
    log.append(Event.BUDGET_SPENT, number=700)
    found = logged_releases(log.folder, log.key)
    assert asked == [700]
    assert found == releases_of(read_entries(log.folder, log.key)) == [*first, found[-1]]


def test_another_past_is_read_from_its_beginning(log: AuditLog, made: Path, keys: KeyRing, tmp_path: Path) -> None:
    log.append(Event.BUDGET_SPENT, number=700)
    assert len(logged_releases(log.folder, log.key)) == len(SPENT) + 1
    shutil.rmtree(log.folder)
    other = AuditLog(shutil.copytree(made, log.folder), keys, "alice")  # the older one, and it goes on otherwise
    assert len(logged_releases(log.folder, log.key)) == len(SPENT)
    other.append_all([(Event.NOTE_VIEWED, {}), (Event.NOTE_VIEWED, {})])
    assert len(logged_releases(log.folder, log.key)) == len(SPENT)


def test_what_was_carried_is_carried_again(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    before = releases_of(read_entries(log.folder, log.key))
    with monkeypatch.context() as patched:
        patched.setattr(audit, "_now", datetime(2022, 1, 1, tzinfo=UTC).isoformat)
        prune(log, day(300), YEARS)
        for _ in range(3):
            log.append_all([(Event.NOTE_VIEWED, {})] * 256)
    prune(log, datetime.now(UTC).date(), 0)
    entries = read_entries(log.folder, log.key)
    assert entries[0].sequence > 700 + 3 and releases_of(entries) == before
    verify(log.folder, log.key)


def test_the_tree_its_heads_and_its_proofs_hold_on(log: AuditLog) -> None:
    head, view = read_checkpoint(log.folder, log.key), look(log.folder, log.key)
    assert head
    kept = {number: (view.line(number), view.inclusion_proof(number)) for number in (5, 300, 699)}
    prune(log, day(600), YEARS)
    view = look(log.folder, log.key)
    check_consistency(head.size, head.root, view.size, view.signed.root, view.consistency_proof(head.size))
    for number, (line, proof) in kept.items():
        check_inclusion(leaf_hash(line), number, head.size, head.root, proof)
        assert view.leaf(number) == leaf_hash(line)
    with pytest.raises(IntegrityError, match="there is no entry 5 from 512"):
        view.entry(5)


def test_the_log_says_what_went(log: AuditLog) -> None:
    root = look(log.folder, log.key)
    prune(log, day(600), YEARS)
    said = read_entries(log.folder, log.key)[-1]
    assert said.event is Event.LOG_PRUNED
    assert {**said.details, "root": ""} == {
        "first": 0,
        "until": 512,
        "carried": 4,
        "before": str(day(600)),
        "years": YEARS,
        "root": "",
    }
    proof = root.consistency_proof(512)
    check_consistency(512, bytes.fromhex(said.details["root"]), root.size, root.signed.root, proof)


def test_ciphertexts_go_with_their_entries_but_not_those_of_releases(log: AuditLog) -> None:
    digests = {entry.sequence: entry.sealed for entry in read_entries(log.folder, log.key) if entry.sealed}
    prune(log, day(600), YEARS)
    left = {path.name for path in (log.folder / "sealed").iterdir()}
    assert left == {digests[200], digests[650]}


def test_bundles_that_went_without_a_word_are_missing(log: AuditLog) -> None:
    (log.folder / "tile/entries/000").unlink()
    with pytest.raises(IntegrityError, match="entry 0 of 700 is missing"):
        read_entries(log.folder, log.key)
    log.append(Event.NOTE_VIEWED)  # the tree is whole all the same


def test_more_than_the_log_says_must_not_go(log: AuditLog) -> None:
    prune(log, day(300), YEARS)
    (log.folder / "tile/entries/001").unlink()
    with pytest.raises(IntegrityError, match="entry 256 of 703 is missing"):
        read_entries(log.folder, log.key)


@pytest.mark.parametrize("word", [b"699", b"x", b"", b"99999"])
def test_the_file_that_names_what_was_pruned_is_not_believed(log: AuditLog, word: bytes) -> None:
    (log.folder / "pruned").write_bytes(word)
    with pytest.raises(IntegrityError, match=r"names no entry that says what was pruned|no entry 99999"):
        read_entries(log.folder, log.key)


def test_without_that_file_the_log_is_refused(log: AuditLog) -> None:
    prune(log, day(300), YEARS)
    (log.folder / "pruned").unlink()
    with pytest.raises(IntegrityError, match="entry 0 of 703 is missing"):
        read_entries(log.folder, log.key)


def test_a_carried_release_is_compared_with_the_hash_that_stayed(log: AuditLog) -> None:
    original = read_entries(log.folder, log.key)[3]
    forged = {"seq": 3, "v": 2, "details": {"epsilon": "0.1"}, "event": "budget.spent"}
    log.append(Event.RELEASE_CARRIED, entry=forged)
    with pytest.raises(IntegrityError, match="entry 700 carries on an entry 3 that never stood there"):
        verify(log.folder, log.key)
    assert original.event is Event.BUDGET_SPENT


@pytest.mark.parametrize("fails", range(11))
def test_a_crash_at_any_point_leaves_a_log_that_verifies_and_the_next_call_goes_on(
    log: AuditLog, keys: KeyRing, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    before = releases_of(read_entries(log.folder, log.key))
    calls, fsync, unlink = iter(range(100)), os.fsync, Path.unlink

    class Crash(BaseException):
        pass

    def count() -> None:
        if next(calls) == fails:
            raise Crash

    with monkeypatch.context() as patched, pytest.raises(Crash):
        patched.setattr(os, "fsync", lambda handle: (fsync(handle), count()))
        patched.setattr(Path, "unlink", lambda path, missing_ok=False: (unlink(path, missing_ok), count()))
        prune(log, day(600), YEARS)
    verify(log.folder, log.key)
    assert releases_of(read_entries(log.folder, log.key)) == before
    again = AuditLog(log.folder, keys, "alice")
    prune(again, day(600), YEARS)
    assert verify(log.folder, log.key).first == 512
    assert releases_of(read_entries(log.folder, log.key)) == before
    assert not (log.folder / "tile/entries/001").exists()
    again.append(Event.NOTE_VIEWED)


def test_what_is_published_after_pruning_has_every_hash(log: AuditLog, tmp_path: Path) -> None:
    prune(log, day(300), YEARS)
    publish(log.folder, log.key, tmp_path / "out")
    assert {"tile/0/000", "tile/0/001"} <= files_of(tmp_path / "out")
    assert "tile/entries/000" not in files_of(tmp_path / "out")


@pytest.mark.parametrize(
    ("today", "years", "first"),
    [(date(2026, 5, 7), 6, date(2020, 5, 7)), (date(2028, 2, 29), 6, date(2022, 2, 28))],
)
def test_the_first_day_that_is_kept(today: date, years: int, first: date) -> None:
    assert keep_from(today, years) == first


def test_releases_are_what_epsilon_is_recomputed_from() -> None:
    assert {Event.BUDGET_SPENT, Event.BUDGET_REFUNDED, Event.UPDATE_RELEASED} <= retention.RELEASES


def test_a_day_that_the_policy_keeps_is_refused_and_nothing_goes(log: AuditLog) -> None:
    kept = keep_from(datetime.now(UTC).date(), 6) + timedelta(days=1)
    with pytest.raises(InputError, match="keeps entries for 6 years"):
        prune(log, kept, 6)
    assert numbers(log) == list(range(700))


def test_a_pruning_before_its_time_is_warned_of(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_now", datetime(2021, 12, 1, tzinfo=UTC).isoformat)
    prune(log, day(600), 1)
    (warning,) = verify(log.folder, log.key).warnings
    assert warning.endswith("what it deleted was to be kept until 2022-08-23")


def test_what_is_not_released_lasts_as_long_and_a_review_is_owed_until_it_is_done(
    tmp_path: Path, keys: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = AuditLog(tmp_path / "audit", keys, "alice")
    lasting = [Event.KEY_CREATED, Event.KEY_ROTATED, Event.COHORT_PREPARED, Event.CERTIFICATE_SIGNED]
    with monkeypatch.context() as patched:
        patched.setattr(audit, "_now", datetime(2020, 1, 1, tzinfo=UTC).isoformat)
        log.append_all([(event, {}) for event in lasting])
        log.append_all([(Event.BREAK_GLASS_STARTED, {"grant": grant}) for grant in ("g1", "g2")])
        log.append(Event.MODEL_SIGNED, text="x" * 64200)  # hardly less than the largest
        log.append_all([(Event.NOTE_VIEWED, {})] * 249)
    log.append(Event.BREAK_GLASS_REVIEWED, grant="g2")
    assert prune(log, day(300), YEARS) == Pruned(0, 256, 7)
    (warning,) = verify(log.folder, log.key).warnings
    assert warning.startswith("entry 4: nobody has reviewed") and "g1" in warning
    kept = [entry.event for entry in releases_of(read_entries(log.folder, log.key))]
    assert kept == [*lasting, *[Event.BREAK_GLASS_STARTED] * 2, Event.MODEL_SIGNED, Event.BREAK_GLASS_REVIEWED]
