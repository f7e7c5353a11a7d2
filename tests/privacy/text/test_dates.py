"""Dates keep their layout, their intervals and, where asked, their weekdays; nothing else."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.text.dates import group_age_text, group_birth, offset_days, shift_fhir, shift_text_date, to_year
from privacy.vault.pseudonyms import Pseudonyms

CODES = Pseudonyms(b"s" * 32)
ANCHOR = date(2019, 6, 1)
DAYS = st.dates(date(1951, 1, 1), date(2047, 12, 31))
OFFSETS = st.integers(-350, 350).filter(bool)
# Layouts of whole dates: how a person writes one, in the words of strftime
LAYOUTS = (
    "%m/%d/%Y", "%m-%d-%Y", "%m/%d/%y", "%d.%m.%Y", "%Y-%m-%d", "%Y-%m-%dT09:30:00Z", "%B %d, %Y", "%b. %d, %Y",
    "%d-%b-%Y", "%d %B %Y", "%Y%m%d", "%B %d '%y", "%A, %B %d, %Y", "%a %m/%d/%Y", "%m/%d/%Y 14:05",
    "%d%b%Y", "the %d of %B %Y",
)  # fmt: skip


def read(layout: str, text: str) -> date:
    """The date by Python's own parser, which knows nothing of ours."""
    return datetime.strptime(text, layout).date()


@given(DAYS, OFFSETS, st.sampled_from(LAYOUTS))
def test_a_whole_date_moves_by_the_offset_in_its_own_layout(day: date, days: int, layout: str) -> None:
    text = day.strftime(layout)
    moved = shift_text_date(text, days, None)
    assert moved is not None
    assert moved != text
    expected = day + timedelta(days)
    assert read(layout, moved) == read(layout, expected.strftime(layout))  # both in one century
    back = shift_text_date(moved, -days, None)
    assert back is not None
    assert read(layout, back) == read(layout, text)
    if "%a" in layout.lower():
        assert expected.strftime("%a") in moved


@given(DAYS, DAYS, OFFSETS)
def test_intervals_stay_between_text_and_fields(one: date, other: date, days: int) -> None:
    text = shift_text_date(one.strftime("%m/%d/%Y"), days, None)
    field = shift_fhir(other.isoformat(), days)
    assert text is not None
    assert field is not None
    assert read("%m/%d/%Y", text) - date.fromisoformat(field) == one - other


@given(DAYS, st.integers(3, 50), st.sampled_from((1, -1)))
def test_whole_weeks_keep_weekdays(day: date, weeks: int, sign: int) -> None:
    moved = shift_text_date(day.strftime("%A, %B %d, %Y"), 7 * weeks * sign, None)
    assert moved is not None
    assert moved.startswith(day.strftime("%A"))


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("March 14th, 2019", "April 13th, 2019"),
        ("March 3RD", "April 2ND"),
        ("SEPT. 12", "OCT. 12"),
        ("3/14", "4/13"),
        ("03/04", "04/03"),
        ("3/14-3/17/2019", "4/13-4/16/2019"),
        ("3/14/2019 to 3/17", "4/13/2019 to 4/16"),
        ("March 14-17, 2019", "April 13-16, 2019"),
        ("March 29 and 31, 2019", "April 28 and 30, 2019"),
        ("March 30-April 2, 2019", "April 29-May 2, 2019"),
        ("12/1/2018-1/2/2019", "12/31/2018-2/1/2019"),
        ("03/2019", "04/2019"),
        ("Mar '19", "Apr '19"),
        ("December of 2018", "January of 2019"),
        ("11/91", "12/91"),
        ("october", "november"),
        ("14-May-2019", "13-Jun-2019"),
        ("the 14th of March", "the 13th of April"),
        ("19610402", "19610502"),
        ("31/12/2019", "30/01/2020"),
        ("2/29/2020", "3/30/2020"),
        ("Monday", "Wednesday"),
    ],
)
def test_thirty_days_later(text: str, moved: str) -> None:
    assert shift_text_date(text, 30, ANCHOR) == moved


def test_a_range_across_two_months_names_both() -> None:
    assert shift_text_date("March 14-17, 2019", 16, None) == "March 30-April 2, 2019"


def test_a_date_without_a_year_is_the_one_nearest_to_the_record() -> None:
    # 60 days from 20 January pass the leap day of 2020 only
    assert shift_text_date("1/20", 60, date(2020, 6, 1)) == "3/20"
    assert shift_text_date("1/20", 60, date(2019, 6, 1)) == "3/21"
    assert shift_text_date("12/28", 90, date(2020, 1, 5)) == "03/27"  # of 2019, the year before the record's
    assert shift_text_date("1/20", 60, None) is None


@pytest.mark.parametrize(
    "text", ["Christmas", "12/12 strength", "13/32/2019", "last week", "", "0/0", "December 31 9999"]
)
def test_what_cannot_be_understood_is_refused(text: str) -> None:
    assert shift_text_date(text, 30, ANCHOR) is None


def test_offsets_are_per_patient_both_ways_and_never_short() -> None:
    offsets = Counter(offset_days(CODES, f"p{i}", False) for i in range(4000))
    assert offset_days(CODES, "p1", False) == offset_days(CODES, "p1", False)
    assert offset_days(Pseudonyms(b"t" * 32), "p1", False) != offset_days(CODES, "p1", False)
    assert min(map(abs, offsets)) >= 21
    assert max(map(abs, offsets)) <= 350
    assert len(offsets) > 640  # of 660
    assert 0.45 < sum(n for days, n in offsets.items() if days > 0) / 4000 < 0.55
    assert all(offset_days(CODES, f"p{i}", True) % 7 == 0 for i in range(200))


@given(st.dates(date(1950, 1, 1), date(2040, 1, 1)), st.integers(21, 350), st.sampled_from((1, -1)))
def test_an_offset_moves_every_month(day: date, days: int, sign: int) -> None:
    for layout in ("%m/%Y", "%B", "%b %Y"):
        assert shift_text_date(day.strftime(layout), sign * days, None) != day.strftime(layout)


@pytest.mark.parametrize(
    ("value", "moved"),
    [
        ("2019", "2019"),
        ("2019-03", "2019-04"),
        ("2019-12", "2020-01"),
        ("2020-02-29", "2020-03-30"),
        ("2019-03-14T09:30:00-05:00", "2019-04-13T09:30:00-05:00"),
        ("2019-03-14T09:30:00.123Z", "2019-04-13T09:30:00.123Z"),
        ("2019-02-30", None),
        ("2019-13", None),
        ("9999-12-31", None),
        ("14 March", None),
        ("2019-03-14 Mei Nguyen", None),
    ],
)
def test_fhir_dates_keep_their_precision(value: str, moved: str | None) -> None:
    assert shift_fhir(value, 30) == moved


@given(DAYS, OFFSETS, st.sampled_from((4, 7, 10)))
def test_a_fhir_date_comes_back(day: date, days: int, length: int) -> None:
    value = day.isoformat()[:length]
    moved = shift_fhir(value, days)
    assert moved is not None
    assert len(moved) == length
    assert shift_fhir(moved, -days) == value


def test_years() -> None:
    assert to_year("2019-03-14T09:30:00Z", 2026) == "2019"
    assert [to_year(v, 2026) for v in ("1937", "1936-05", "2027", "19 March", "")] == ["1937", None, None, None, None]
    assert [group_birth(v, 2026) for v in ("1937-01-01", "1936", "1902-05-07", "x")] == ["1937", "1936", "1936", None]


@pytest.mark.parametrize(
    ("text", "grouped"),
    [
        ("94", "90+"),
        ("AGE: 101", "AGE: 90+"),
        ("93-year-old", "90+-year-old"),
        ("ninety-three", "90+"),
        ("one hundred and two", "90+"),
        ("nonagenarian", "person of 90+"),
        ("89", "89"),
    ],
)
def test_ages_over_89_are_one(text: str, grouped: str) -> None:
    assert group_age_text(text) == grouped
