"""The report for people: its state stands at the top, and text of an entry is text and no markup."""

from __future__ import annotations

import base64
import re
import zlib
from datetime import UTC, datetime

import pytest

from policies.events import Entry, Event
from policies.exports.report import MOST_ROWS, LogState, to_pdf
from policies.findings import Findings
from policies.notes import Checkpoint
from tests.policies.exports.conftest import entry

MADE = datetime(2026, 4, 1, 12, tzinfo=UTC)


def state(*warnings: str, first: int = 0) -> LogState:
    return LogState("north", Findings(Checkpoint("north", 48, bytes(range(32))), first, warnings))


def text_of(pdf: bytes) -> str:
    """The words of a PDF of reportlab's, in the order in which they are drawn."""
    streams = re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    pages = b"".join(zlib.decompress(base64.a85decode(raw.strip(), adobe=False)) for raw in map(_body, streams) if raw)
    words = re.findall(rb"\(((?:\\.|[^\\()])*)\) Tj", pages)
    return " ".join(re.sub(rb"\\([()\\])", rb"\1", word).decode("latin-1") for word in words)


def _body(raw: bytes) -> bytes:
    return raw.strip().removesuffix(b"~>")


def test_the_report_says_whether_the_logs_verify_and_what_was_found(every: list[tuple[str, Entry]]) -> None:
    text = text_of(to_pdf([state("the clock went back at entry 9")], {"actor": "alice"}, every, MADE))
    assert text.index("every entry and the signature verify") < text.index("Activity by day")
    for part in ("000102030405060", "the clock went back at entry 9", "actor alice", "1 warning", "Access was denied"):
        assert part in text
    assert "page 1 of" in text


def test_an_empty_report_and_a_pruned_log_say_so() -> None:
    text = text_of(to_pdf([state(first=256)], {}, [], MADE))
    assert "entries before 256 were deleted" in text
    assert "There is nothing to show." in text
    assert "page 1 of 1" in text


def test_text_of_an_entry_is_no_markup() -> None:
    hostile = "<b>bold</b> & <font size=99>"
    text = text_of(to_pdf([state()], {}, [("north", entry(0, Event.SIGNIN_FAILED, actor=hostile))], MADE))
    assert "< b > bold < /b > & < font size=99 >" in text


def test_a_long_log_shows_its_newest_entries_and_says_how_many_there_are() -> None:
    many = [("north", entry(number, Event.PAGE_VIEWED, page=number)) for number in range(MOST_ROWS + 1)]
    text = text_of(to_pdf([state()], {}, many, MADE))
    assert f"the newest {MOST_ROWS} of {MOST_ROWS + 1}" in text
    assert "north 500" in text and "north 0 " not in text


def test_the_same_entries_give_the_same_file(every: list[tuple[str, Entry]]) -> None:
    assert to_pdf([state()], {}, every, MADE) == to_pdf([state()], {}, every, MADE)


def test_an_entry_that_is_longer_than_a_page_is_cut_and_gives_a_report() -> None:
    long = [
        entry(0, Event.COHORT_PREPARED, patients=["0f3c51d2a7b84e6690c1d2e3f4a5b6c7"] * 400),
        entry(1, Event.PAGE_VIEWED, **{f"key{number}": "x" * 60 for number in range(200)}),
        entry(2, Event.SIGNIN_FAILED, actor="W" * 60000),
    ]
    assert "page 1 of" in text_of(to_pdf([state()], {}, [("north", one) for one in long], MADE))


def test_rounds_of_a_plan_stand_in_one_row_and_the_totals_stay() -> None:
    rounds = [("north", entry(n, Event.UPDATE_RELEASED, plan="ab" * 32, round=n, sha256=f"{n}")) for n in range(1, 61)]
    text = text_of(to_pdf([state()], {}, rounds, MADE))
    assert "page 1 of 2" in text or "page 1 of 1" in text
    assert "60 entries in 1 row." in text and "the rounds of a plan" in text
    for part in ("north 1 to 60", f"60 entries: plan {'ab' * 8}, round 1 to 60"):
        assert part in " ".join(text.split())


@pytest.mark.parametrize("place", ["actor", "reason"])
def test_the_longest_cell_fits_on_a_page(place: str) -> None:
    text = text_of(to_pdf([state()], {}, [("north", entry(0, Event.PLAN_REFUSED, **{place: "W" * 5000}))], MADE))
    assert "page 1 of" in text
