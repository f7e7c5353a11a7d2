"""Ratios are medians of pairs, numbers read as people read them, and a turn runs in a process of its own."""

from __future__ import annotations

import json
import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.deidentification import by_characters
from bench.report import Contestant, Medians, Pair, Turn, Work, digits, json_line, medians, play, ratio_text

seconds = st.floats(1e-3, 1e3)


def pairs(*times: tuple[float, float]) -> list[Pair]:
    return [Pair(Turn(ours, None), Turn(peer, None)) for ours, peer in times]


def test_the_ratio_is_taken_within_each_pair() -> None:
    # The machine is slow during the second pair: the ratio of medians would be 2.5 / 1 here.
    assert medians(pairs((2.0, 1.0), (20.0, 10.0), (2.5, 1.0))) == Medians(3, 2.5, 1.0, 2.0)


@given(st.lists(st.tuples(seconds, seconds), min_size=1, max_size=9).filter(lambda times: len(times) % 2))
def test_changing_sides_inverts_the_ratio(times: list[tuple[float, float]]) -> None:
    there, back = medians(pairs(*times)), medians(pairs(*((peer, ours) for ours, peer in times)))
    assert there.ratio * back.ratio == pytest.approx(1)
    assert (there.ours, there.peer) == (back.peer, back.ours)


@pytest.mark.parametrize("times", [[], [(0.0, 1.0)], [(1.0, 0.0)]])
def test_nothing_to_compare_is_refused(times: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="at least one pair"):
        medians(pairs(*times))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.08123, "0.0812"), (1.156, "1.16"), (2.0, "2.00"), (12.34, "12.3"), (1234.5, "1234"), (0.0, "0.0")],
)
def test_three_digits_and_no_exponent(value: float, text: str) -> None:
    assert digits(value) == text
    assert ratio_text(value) == f"{text}x"


@given(st.floats(1e-6, 1e6))
def test_digits_keep_the_value(value: float) -> None:
    assert math.isclose(float(digits(value)), value, rel_tol=5.1e-3)


def test_json_is_one_line_with_the_machine_and_dataclasses_as_objects() -> None:
    line = json_line("some", True, seconds=medians(pairs((2.0, 1.0))))
    body = json.loads(line)
    assert "\n" not in line
    assert body["seconds"] == {"ours": 2.0, "peer": 1.0, "pairs": 1, "ratio": 2.0}
    assert body["machine"]["cores"] >= 1


def test_characters_that_overlap_count_once() -> None:
    found = by_characters([[(0, 10), (5, 10)], []], [[(0, 5), (3, 5), (20, 25)], [(0, 10)]])
    assert (found.recall, found.precision) == (5 / 10, 5 / 20)


def _echo(word: str) -> Work:
    return lambda number: (word, number, os.getpid())


def test_contestants_take_turns_in_processes_of_their_own() -> None:
    with Contestant(_echo, "ours") as ours, Contestant(_echo, "peer") as peer:
        match = play("test", ours, peer, 3)
    assert [pair.ours.result[:2] for pair in (match.warm, *match.pairs)] == [("ours", n) for n in range(4)]
    assert [pair.peer.result[:2] for pair in match.pairs] == [("peer", n) for n in (1, 2, 3)]
    assert len({match.warm.ours.result[2], match.warm.peer.result[2], os.getpid()}) == 3
    assert match.ours.peak > 1
    assert match.ours.added >= 0
