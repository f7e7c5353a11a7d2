"""The date of a note, and not another that stands in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.record.dates import note_date


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2025-01-14\n\n# Chief Complaint", "2025-01-14"),
        ("Date of visit: 3/4/2025. He is well.", "2025-03-04"),
        ("Seen 14/3/2025.", "2025-03-14"),
        ("DOB: 01/02/1950\nDate: January 14th, 2025", "2025-01-14"),
        ("Name: A. Date of birth 2 Jan 1950. Seen on 14 January 2025.", "2025-01-14"),
        ("Born 01/02/1950.", ""),
        ("DOB: 01/02/1950", ""),
        ("D.O.B: 01/02/1950\nSeen 1/14/2025", "2025-01-14"),
        ("Name: A. DOB.: 1950-02-01 Date: 2025-01-14", "2025-01-14"),
        ("DOB: 1950-02-01 | 2025-01-14", "2025-01-14"),
        ("Date of birth:\n01/02/1950\nDate of visit:\n1/14/2025", "2025-01-14"),
        ("Date of birth:\n\n01/02/1950", ""),
        ("Byron, Ada - 1284478 - 11/26/1953\nVisit 2021-02-06\nAda, 67-year-old, has asthma.", "2021-02-06"),
        ("RE Byron, Ada, 1284478, 11/26/1953. She is a 67 y/o woman.", ""),
        ("2019-05-03\nA 3-year-old boy with croup.", "2019-05-03"),
        ("Seen 2019-05-03, born 3/2/2016; a 3 yo boy.", "2019-05-03"),
        ("2020-05-03\nHe is 40 years old; surgery 2019-01-02.", "2020-05-03"),
        ("Ada Byron 01/02/1950 (DOB)  1/14/2025", "2025-01-14"),
        ("Name | DOB | Visit\nAda | 01/02/1950 | 1/14/2025", "2025-01-14"),
        ("Name\tVisit\tDOB\nAda\t1/14/2025\t01/02/1950", "2025-01-14"),
        ("Name    DOB\nAda Byron    01/02/1950", ""),
        ("word " * 200 + "\nDate of birth:\n01/02/1950", ""),
        ("Strength 12/12, murmur 2/6, 31/31/2025.", ""),
        ("word " * 200 + "2025-01-14", ""),
        ("word " * 200 + "\nSigned A. Mann\n2025-01-14", "2025-01-14"),
        ("word " * 200 + "\nD: 01/14/2025\nT: 01/15/2025 10:20 am", "2025-01-15"),
        ("word " * 200 + "\nNext visit: 01/14/2026", ""),
        ("", ""),
    ],
)
def test_the_date_of_a_note(text: str, day: str) -> None:
    assert note_date(text) == day


@given(st.dates())
def test_iso_dates_are_read_as_they_are(day: object) -> None:
    if "1900" <= str(day)[:4] <= "2099":
        assert note_date(f"Date: {day}") == str(day)
