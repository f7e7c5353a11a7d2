import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.extraction.times import find_times
from clinical.extraction.words import table

ROWS = table("relations")["time"]
MARKED = re.compile(r"\[(.*?)\]")


def found(text):
    return [(text[own.start : own.end], own.kind, own.value) for own in find_times(text)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["value"])
def test_each_row_finds_its_example_and_nothing_in_the_counter_example(row):
    plain = MARKED.sub(r"\1", row["example"])
    assert found(plain) == [(MARKED.search(row["example"])[1], row["says"], row["value"])]
    assert found(row["counter"]) == []


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("cough x3 weeks", ["3 weeks"]),
        ("over the past year", ["1 year"]),
        ("for two to three days", []),
        ("for 2-3 days", ["2-3 days"]),
        ("MI in 1998 and 2003.", ["1998", "2003"]),
        ("5 days prior to admission", ["5 days prior to admission"]),
        ("for 2\ndays", ["2 days"]),
        ("January 3, 2020", ["january 3, 2020"]),
    ],
)
def test_values_are_written_in_full(text, values):
    assert [own.value for own in find_times(text)] == values


@given(st.text(alphabet="for past the 12 day/s-ince2015 .,", max_size=80))
def test_times_lie_in_the_text_and_apart(text):
    spans = [edge for own in find_times(text) for edge in (own.start, own.end)]
    assert spans == sorted(spans)
    assert all(0 <= edge <= len(text) for edge in spans)


@pytest.mark.parametrize("piece", ["in the ", "for the past ", "12", "the last the past ", "a few ", " ", "1 day or "])
def test_cost_is_linear(piece):
    def seconds(length):
        text = (piece * length)[:length]
        start = time.process_time()
        find_times(text)
        return time.process_time() - start

    seconds(1_000)
    assert seconds(40_000) < 16 * seconds(5_000) + 1.0
