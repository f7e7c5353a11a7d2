"""A log that verifies still says what is missing or odd, with the number of the entry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policies import audit
from policies.audit import AuditLog, verify
from policies.errors import IntegrityError
from policies.events import Event
from policies.findings import Watch
from policies.keys import KeyRing
from policies.logview import look

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch):
    """Sets the log's clock, in minutes from noon."""

    def set_clock(minutes: float) -> None:
        monkeypatch.setattr(audit, "_now", (NOW + timedelta(minutes=minutes)).isoformat)

    set_clock(0)
    return set_clock


def warnings(log: AuditLog, minutes: float) -> tuple[str, ...]:
    view = look(log.folder, log.key)
    watch = Watch(view)
    for entry in view.entries():
        watch.see(entry)
    return watch.findings(NOW + timedelta(minutes=minutes)).warnings


def test_a_whole_log_has_nothing_to_say(folder: Path, keys: KeyRing) -> None:
    found = verify(folder, keys.public)
    assert (found.signed.size, found.first, found.warnings) == (4, 0, ())


@pytest.mark.parametrize("lost", [1, 3])
def test_attempts_that_were_never_written_show_as_a_gap(tmp_path: Path, keys: KeyRing, at, lost: int) -> None:
    log, other = AuditLog(tmp_path / "audit", keys, "alice"), AuditLog(tmp_path / "audit", keys, "bob")
    log.append(Event.EXPORT_READ)
    for _ in range(lost):
        with pytest.raises(IntegrityError):
            log.append(Event.EXPORT_READ, value=0.5)
    other.append(Event.EXPORT_READ)
    log.append(Event.EXPORT_READ)
    assert warnings(log, 0) == (f"entry 2: {lost} of the entries that 'alice' began before it were never written",)


def test_a_session_whose_first_entry_is_missing_shows(tmp_path: Path, keys: KeyRing, at) -> None:
    log = AuditLog(tmp_path / "audit", keys, "alice")
    with pytest.raises(IntegrityError):
        log.append(Event.EXPORT_READ, value=0.5)
    log.append(Event.EXPORT_READ)
    assert warnings(log, 0) == ("entry 0: 1 of the entries that 'alice' began before it were never written",)


def test_a_number_that_comes_twice_shows(tmp_path: Path, keys: KeyRing, at) -> None:
    log = AuditLog(tmp_path / "audit", keys, "alice")
    log.append(Event.EXPORT_READ)
    log._count = 0
    log.append(Event.EXPORT_READ)
    assert warnings(log, 0) == ("entry 1: its session had used its number 0 before",)


def test_a_clock_that_went_back_is_said_with_the_entry(tmp_path: Path, keys: KeyRing, at) -> None:
    log = AuditLog(tmp_path / "audit", keys, "alice")
    for minutes in (0, 5, 5, 4, 6):
        at(minutes)
        log.append(Event.EXPORT_READ)
    (warning,) = warnings(log, 6)
    assert warning == "the clock went back at entry 3: 2026-03-04T12:04:00+00:00"


@pytest.mark.parametrize(("minutes", "silent"), [(70, False), (71, True)])
def test_a_service_that_fell_silent_is_said_after_an_hour(
    tmp_path: Path, keys: KeyRing, at, minutes: float, silent: bool
) -> None:
    log = AuditLog(tmp_path / "audit", keys, "alice")
    log.start("dashboard")
    at(10)
    log.append(Event.PAGE_VIEWED)
    expected = "entry 1 is the last sign of 'dashboard', which never stopped"
    assert warnings(log, minutes) == ((expected,) if silent else ())


def test_a_service_that_stopped_may_be_silent_and_so_may_who_started_none(tmp_path: Path, keys: KeyRing, at) -> None:
    log = AuditLog(tmp_path / "audit", keys, "alice")
    log.start("dashboard")
    log.stop()
    AuditLog(log.folder, keys, "bob").append(Event.EXPORT_READ)
    assert warnings(log, 600) == ()


def test_whole_lines_after_the_signed_ones_are_said_and_torn_ones_are_not(folder: Path, keys: KeyRing) -> None:
    before = (folder / "checkpoint").read_bytes()
    AuditLog(folder, keys, "bob").append(Event.EXPORT_READ)
    (folder / "checkpoint").write_bytes(before)
    (warning,) = verify(folder, keys.public).warnings
    assert "1 whole entry after" in warning and "from number 4 on" in warning and "put back" in warning
    edge = folder / "edge.ndjson"
    edge.write_bytes(edge.read_bytes()[:-1])
    assert verify(folder, keys.public).warnings == ()


def test_a_refusal_of_a_witness_is_a_warning(tmp_path: Path, keys: KeyRing, at) -> None:
    log = AuditLog(tmp_path / "audit", keys, "alice")
    log.append(Event.WITNESS_REFUSED, log="river", size=1, root="ab", status=409, known=3)
    log.append(Event.WITNESS_REFUSED, plan="p", missing={"summit": ["ConflictError"], "river": []})
    assert warnings(log, 0) == (
        "entry 0: a tree head of 'river' with 1 entry was not cosigned: it does not continue the 3 before",
        "entry 1: witnesses did not sign the log of river, summit after a training",
    )


def test_the_kinds_of_events_are_told(folder: Path, keys: KeyRing) -> None:
    assert verify(folder, keys.public).events == {Event.EXPORT_READ}
