"""Waits grow while nothing comes, up to a longest one, and are short again when something came."""

from __future__ import annotations

from federated.node.pace import Pace


def test_waits_grow_up_to_the_longest_and_start_again_when_something_came() -> None:
    pace = Pace(shortest_s=0.1, longest_s=0.4)
    waits = [pace.next() for _ in range(8)]
    assert waits[0] == 0.1
    assert waits == sorted(waits)
    assert waits[-2:] == [0.4, 0.4]
    pace.busy()
    assert pace.next() == 0.1
