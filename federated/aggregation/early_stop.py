"""To end a training early by a score on public data, and on nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from federated.aggregation.weights import Weights
from policies.errors import TrainingError

PublicScore = Callable[[Weights], float]
"""From a round's weights to a score on public notes, larger is better. Weights were released and the notes are public,
so it costs nothing; a score on a hospital's patients would be a release that no plan has a budget for."""


def no_score(weights: Weights) -> float:
    """In the place of a score where no public notes are at hand; raises TrainingError."""
    raise TrainingError("the plan ends early by a score on public notes, and none are named", "Name them: --validate.")


@dataclass
class EarlyStop:
    """Says when the score has not risen for so many rounds; the rounds that are saved cost no budget.

    Attributes:
        patience: rounds in a row without a new best, 1 or more; 0 never stops.
        best, round: the highest score so far, and the round that had it.
    """

    score: PublicScore
    patience: int
    best: float = field(default=-math.inf, init=False)
    round: int = field(default=0, init=False)

    def after(self, round_number: int, weights: Weights) -> bool:
        """Whether the training ends with this round."""
        if not self.patience:
            return False
        if (score := self.score(weights)) > self.best:
            self.best, self.round = score, round_number
        return round_number - self.round >= self.patience
