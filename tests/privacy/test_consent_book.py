"""The log is the truth: a book that was taken away, put back or edited lets nobody in."""

from __future__ import annotations

import shutil
from pathlib import Path
from threading import Thread

import pytest

from policies.access import Purpose
from policies.audit import read_entries
from policies.errors import IntegrityError
from policies.events import Event
from policies.guard import Site
from privacy import consent_book
from privacy.consent import Consent, Word, refusal
from privacy.consent_book import consents, denied, record_consents, refused
from tests.privacy.hospital import at, hospital

RESEARCH, TREAT = Purpose.RESEARCH, Purpose.TREATMENT
NO = refusal([RESEARCH], "2026-01-01T00:00:00+00:00")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return at(hospital(tmp_path / "workspace"), "carol")


def test_a_decision_is_logged_and_kept_once(site: Site) -> None:
    assert record_consents(site, {"ab": NO, "cd": {}}, "test") == 1
    assert record_consents(site, {"ab": NO}, "test") == 0
    assert consents(site) == {"ab": NO}
    logged = [e for e in read_entries(site.home.audit, site.keys.public) if e.event is Event.CONSENT_RECORDED]
    assert [(e.details["patient"], e.details["source"]) for e in logged] == [("ab", "test")]


def test_a_book_that_was_taken_away_or_put_back_changes_no_answer(site: Site, tmp_path: Path) -> None:
    record_consents(site, {"ab": NO}, "test")
    older = shutil.copy(site.home.consents, tmp_path / "older")
    record_consents(site, {"cd": refusal([TREAT], "2026-01-02")}, "test")
    site.home.consents.unlink()
    assert refused(site, RESEARCH, ["ab", "cd", "ef"]) == {"ab"}
    shutil.copy(older, site.home.consents)
    assert denied(site, "cd") == {TREAT}


def test_an_edited_book_is_refused(site: Site) -> None:
    record_consents(site, {"ab": NO}, "test")
    site.home.consents.write_bytes(site.home.consents.read_bytes().replace(b"HRESCH", b"HOPERA"))
    with pytest.raises(IntegrityError, match="was edited"):
        consents(site)


def test_two_writers_lose_no_decision(site: Site) -> None:
    def record(name: str) -> None:
        for number in range(5):
            record_consents(site, {f"{name}{number}": NO}, "test")

    threads = [Thread(target=record, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(consents(site)) == 10


def test_a_crash_between_log_and_book_loses_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(consent_book, "_write", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            record_consents(site, {"ab": NO}, "test")
    assert denied(site, "ab") == {RESEARCH}


def test_a_later_yes_lifts_a_no(site: Site) -> None:
    yes: Consent = {RESEARCH: Word(True, "2026-02-01")}
    record_consents(site, {"ab": NO}, "test")
    record_consents(site, {"ab": yes}, "test")
    assert denied(site, "ab") == frozenset()
    record_consents(site, {"ab": NO}, "test")
    assert denied(site, "ab") == frozenset()
