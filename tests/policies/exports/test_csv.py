"""CSV that comes back as it was written, and that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.events import Entry, Event
from policies.exports.csv import COLUMNS, to_csv
from tests.policies.exports.conftest import PATIENT, entry


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def test_every_entry_is_a_row_with_its_facts(every: list[tuple[str, Entry]]) -> None:
    found = rows(to_csv(every))
    assert tuple(found[0]) == COLUMNS
    assert [row["event"] for row in found] == [str(event) for event in Event]
    assert {(row["log"], row["patient"], row["purpose"]) for row in found} == {("north", PATIENT, "TREAT")}
    assert json.loads(found[3]["details"]) == every[3][1].details


@pytest.mark.parametrize(
    "formula",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\t1", " =1+1", "\n+1", "\u00a0@A", "＝1", "＋1", "－1", " ＠A"],
)
def test_a_cell_that_begins_as_a_formula_does_is_inert(formula: str) -> None:
    (row,) = rows(to_csv([("north", entry(0, Event.SIGNIN_FAILED, actor=formula))]))
    assert row["actor"] == f"'{formula}"


@given(actor=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=20))
def test_any_other_account_comes_back_as_it_was(actor: str) -> None:
    (row,) = rows(to_csv([("north", entry(0, Event.SIGNIN, actor=actor))]))
    assert row["actor"].removeprefix("'") == actor.removeprefix("'")
    assert not row["actor"].startswith(("=", "+", "-", "@", "\t", "\r"))
