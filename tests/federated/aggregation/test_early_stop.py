"""Early stop: by the rounds since the best public score."""

from __future__ import annotations

import pytest

from federated.aggregation.early_stop import EarlyStop
from tests.contracts import made


def ended(scores: list[float], patience: int) -> tuple[int, EarlyStop]:
    """The round after which it ends, 0 for never."""
    given = iter(scores)
    stop = EarlyStop(lambda weights: next(given), patience)
    return next((place for place in range(1, len(scores) + 1) if stop.after(place, made(1))), 0), stop


@pytest.mark.parametrize(
    ("scores", "patience", "last"),
    [
        ([0.1, 0.2, 0.3, 0.4], 1, 0),
        ([0.1, 0.3, 0.3, 0.4], 1, 3),  # as good is not better
        ([0.1, 0.3, 0.2, 0.4, 0.1, 0.1], 2, 6),  # a new best starts the count anew
        ([0.5, 0.1, 0.1, 0.1], 3, 4),
        ([float("nan")] * 3, 2, 2),
        ([0.5, 0.1, 0.1, 0.1], 0, 0),
    ],
)
def test_it_ends_after_so_many_rounds_without_a_new_best(scores: list[float], patience: int, last: int) -> None:
    assert ended(scores, patience)[0] == last


def test_the_best_round_is_known_and_nothing_is_scored_without_patience() -> None:
    stop = ended([0.1, 0.7, 0.2, 0.3], 2)[1]
    assert (stop.best, stop.round) == (0.7, 2)
    EarlyStop(lambda weights: pytest.fail("scored"), 0).after(1, made(1))
