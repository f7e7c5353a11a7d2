"""Results of tests over time, and where they go."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from clinical.record.quotation import Quotation
from clinical.record.told import Told, group, widened

_STEADY = 0.05  # of the value before; a smaller change is none
_NUMBER = re.compile(r"[<>]?(\d[\d,]*(?:\.\d+)?)")
Trend = Literal["rising", "falling", "steady", ""]


@dataclass(frozen=True)
class Value:
    """One result as it is written, with its flag ("" where none is)."""

    written: str
    flag: str
    quotation: Quotation


@dataclass(frozen=True)
class Result:
    """A test in one unit ("" where none is written), its values from the oldest to the newest.

    `trend` compares the last with the one before, of a pressure the first number; "" where there are no two numbers.
    """

    test: str
    unit: str
    values: tuple[Value, ...]
    trend: Trend


def results(told: Sequence[Told]) -> tuple[Result, ...]:
    """The results of notes in the order of time, by test and unit."""
    series: dict[tuple[str, str], list[Value]] = {}
    for own in told:
        for mention in own.facts.mentions:
            said = {attribute.kind: attribute.value for attribute in mention.attributes}
            if mention.kind == "test" and "value" in said and mention.section not in group("no result"):
                value = Value(said["value"], said.get("flag", ""), own.quote(*widened(mention)))
                series.setdefault((mention.concept, said.get("unit", "")), []).append(value)
    return tuple(Result(test, unit, tuple(values), _trend(values)) for (test, unit), values in series.items())


def _trend(values: Sequence[Value]) -> Trend:
    numbers = [float(found[1].replace(",", "")) for own in values if (found := _NUMBER.match(own.written))]
    if len(numbers) < 2:
        return ""
    before, last = numbers[-2:]
    if abs(last - before) <= _STEADY * abs(before):
        return "steady"
    return "rising" if last > before else "falling"
