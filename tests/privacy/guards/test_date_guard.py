"""What betrays the offset of shifted dates."""

from __future__ import annotations

import re

import pytest

from policies.files import table_of
from privacy.guards.date_guard import DateFinding, DateFindingKind, date_findings, rows
from privacy.text.spans import Span

TABLE = table_of("privacy", "tables/anchors")


def shifted(text, new="9/27"):
    """The text with what stands in braces replaced; its findings."""
    spans, original = [], ""
    for piece in re.split(r"(\{.*?\})", text):
        if piece[:1] == "{":
            spans.append(Span(len(original), len(original) + len(piece) - 2, "DATE", "r", 1.0, new))
        original += piece.strip("{}")
    output = original
    for span in reversed(spans):
        output = output[: span.start] + span.replacement + output[span.end :]
    return date_findings(original, output, spans)


@pytest.mark.parametrize("row", TABLE["non_date"], ids=lambda row: row["name"])
def test_a_score_that_was_moved_is_reported(row):
    assert DateFinding(DateFindingKind.SHIFTED_NON_DATE, row["name"]) in shifted(row["example"])
    assert not shifted(row["example"].replace("{", "").replace("}", ""))
    pattern = next(r.pattern for r in rows("non_date") if r.name == row["name"])
    assert not pattern.search(row["counter_example"])
    (match,) = pattern.finditer(row["example"].replace("{", "").replace("}", ""))
    assert "{" + match[1] + "}" in row["example"]


@pytest.mark.parametrize("row", TABLE["anchor"], ids=lambda row: row["name"])
def test_a_holiday_that_stands_is_reported(row):
    standing = row["example"].replace("{", "").replace("}", "")
    assert shifted(standing) == (DateFinding(DateFindingKind.UNSHIFTED_ANCHOR, row["name"]),)
    assert not shifted(row["example"])
    assert not [r for r in rows("anchor") if r.pattern.search(row["counter_example"])]


@pytest.mark.parametrize(
    ("text", "new", "fits"),
    [
        ("Seen Thursday, {3/14/2019}.", "3/21/2019", True),
        ("Seen Thursday, {3/14/2019}.", "3/22/2019", False),
        ("Seen {March 14, 2019} (Thu).", "March 22, 2019", False),
        ("Seen {March 14, 2019}. Later Thursday", "March 22, 2019", True),
        ("Seen Thursday, {3/14/2019}.", "[DATE]", True),
    ],
)
def test_a_weekday_beside_a_moved_date_must_fit(text, new, fits):
    assert bool(shifted(text, new)) is not fits


def test_an_age_beside_a_year_of_birth_is_reported():
    assert [f.kind for f in shifted("A 45-year-old man, born {x}.", "4/2/1974")] == [DateFindingKind.AGE_AND_BIRTH_YEAR]
    assert not shifted("A 45-year-old man, seen {x}.", "4/2/1974") and not shifted("DOB: {x}", "4/2/1974")


def test_a_score_in_a_span_that_kept_its_text_is_no_finding():
    assert not shifted("A {2/6} systolic murmur.", "2/6")
