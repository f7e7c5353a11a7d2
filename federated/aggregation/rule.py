"""What every rule is: updates in, one gradient out, and what it promises for how many sites.

Whatever a rule does costs no budget: each update has its noise already, and what is computed of it is post-processing
(Dwork and Roth 2014, proposition 2.1). A rule's sensitivity says how much of one patient is left in the aggregate, and
not what protects the patient.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from federated.aggregation.weights import Weights, check_alike, norm
from policies.errors import TrainingError


@dataclass(frozen=True)
class Update:
    """One site's part in a round.

    Attributes:
        weight: of the plan; all weights of a round sum to 1.
        norm_bound: the most that the noisy gradient of an honest site measures; a longer one is shortened to it.
    """

    site: str
    weight: float
    gradient: Weights
    norm_bound: float


@dataclass(frozen=True)
class Aggregate:
    """What a rule made of a round, for the server's step and for the log.

    Attributes:
        shortened: sites whose update was over its norm bound.
        left_out: sites whose update was not used at all.
    """

    gradient: Weights
    shortened: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule(ABC):
    """One way to put updates together.

    Attributes:
        bad_sites: how many sites of a round it must bear, whatever they send; f in the papers.
        shortens: whether it sees single updates, and so can hold them to their norm bound.
        title, needs, words: its name in a sentence, why it needs so many sites, and what a hospital agrees to.
    """

    bad_sites: int
    shortens: ClassVar[bool] = True
    title: ClassVar[str]
    needs: ClassVar[str]
    words: ClassVar[str]

    @property
    @abstractmethod
    def fewest(self) -> int:
        """The smallest number of sites in a round for which its promise holds."""

    @abstractmethod
    def sensitivity(self, sites: int, weight: float, reach: float, norm_bound: float) -> float:
        """The most that one patient of one site moves the aggregate, in L2 norm.

        Args:
            sites: of the round.
            weight: of the patient's site.
            reach: what the patient moves that site's own update by, C / (q N).
            norm_bound: the largest of the round's.
        """

    @abstractmethod
    def _of(self, updates: Sequence[Update]) -> Aggregate:
        """The aggregate of updates that are finite, of one shape and within their bounds."""

    def check(self, sites: int) -> None:
        """Raises TrainingError where the rule's condition on the number of sites does not hold."""
        self._check_bad_sites()
        if sites < self.fewest:
            bad = f" with {self.bad_sites} bad" if self.bad_sites else ""
            raise TrainingError(
                f"{self.title}{bad} needs {self.fewest} sites in every round, and may have {sites}: {self.needs}",
                "Take another rule, or have more sites.",
            )

    def _check_bad_sites(self) -> None:
        if self.bad_sites < 1:
            raise TrainingError(f"{self.title} must bear at least one bad site; bad_sites is {self.bad_sites}")

    def combine(self, updates: Sequence[Update]) -> Aggregate:
        """Put a round's updates together, in any order.

        Raises:
            TrainingError: too few sites, shapes differ, a number is not finite, or weights do not sum to 1.
        """
        self.check(len(updates))
        check_alike([update.gradient for update in updates])
        long = {update.site for update in updates if self.shortens and norm(update.gradient) > update.norm_bound}
        within = [_shortened(update) if update.site in long else update for update in updates]
        found = self._of(within)
        return Aggregate(found.gradient, tuple(sorted(long)), found.left_out)


def _shortened(update: Update) -> Update:
    share = update.norm_bound / norm(update.gradient)
    gradient = {name: np.asarray(array * np.float64(share), np.float32) for name, array in update.gradient.items()}
    return replace(update, gradient=gradient)
