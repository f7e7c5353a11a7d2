"""One gradient of what the sites of a round send: asked for, put together by the plan's rule, tried again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from safetensors.numpy import save

from federated.aggregation import Weights
from federated.asking import Answers, Asking, Refused, read_update
from federated.exchange import Federation
from federated.messages import Fields, TrainOrder, pack_order
from federated.plan import Plan
from federated.progress import next_attempt
from federated.secagg import Quantiser, Session, known_keys
from federated.secagg.messages import SumStep
from federated.server_after import receipt_of
from federated.server_round import aggregate, largest_norm_bound
from federated.server_sum import Summed, secure_sum
from policies.errors import ConfideError, TrainingError
from policies.files import sha256_hex
from policies.guard import Server


@dataclass(frozen=True)
class Gathered:
    """One gradient of what the sites of a round sent.

    Attributes:
        inputs, attempt, signatures, shortened, left_out: as in the round's receipt.
        there: when all that was waited for was there, on the monotonic clock.
    """

    gradient: Weights
    inputs: Mapping[str, str]
    attempt: int = 0
    signatures: Mapping[str, str] | None = None
    shortened: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    there: float = 0.0


class _TryAgain(TrainingError):
    """Too few sites took part this time."""


@dataclass(frozen=True)
class Gathering:
    """One round of a plan.

    Attributes:
        weights: those that it starts from.
    """

    server: Server
    plan: Plan
    federation: Federation
    asking: Asking
    number: int
    weights: Weights

    def gather(self, tries: int) -> Gathered:
        """Raises TrainingError where a site that is needed refused, or no try brought enough of them together."""
        for left in reversed(range(tries)):
            try:
                sent, there = self._train(), time.monotonic()
                found = self._summed() if self.plan.is_secure else self._aggregated(sent)
                return replace(found, there=there)
            except _TryAgain as error:
                if not left:
                    raise
                self.asking.wrong(error.message)
        raise AssertionError

    def _train(self) -> dict[str, Weights]:
        """What each site that follows the order sends: its noisy gradient, or nothing yet under secure aggregation."""
        plan, number = self.plan, self.number
        like = {} if plan.is_secure else self.weights
        order = pack_order(TrainOrder(plan.digest, number, self.weights, receipt_of(self.server, plan, number - 1)))
        answers = self.asking.ask(
            "train",
            dict.fromkeys(self._names, order),
            partial(read_update, plan=plan.digest, round_number=number, like=like),
            seconds=plan.round_seconds,
            enough=plan.needed,
        )
        self._check_enough(answers)
        return dict(answers.given)

    def _check_enough(self, answers: Answers[Weights]) -> None:
        """Raises TrainingError where fewer sites than the plan needs sent an update; to try again, if none refused."""
        if len(answers.given) >= self.plan.needed:
            return
        said = f"the plan needs {self.plan.needed}; {answers.in_words(self._names)}"
        for name, fault in answers.faults.items():
            if isinstance(fault, Refused):
                raise TrainingError(
                    f"round {self.number}: site '{name}' {fault.message}, and {said}",
                    f"The reason stands in the audit log of '{name}'.",
                )
        raise _TryAgain(
            f"round {self.number}: {len(answers.given)} of {len(self._names)} sites answered, and {said}",
            "Look into the log of a site that is missing; the same command goes on after the last finished round.",
        )

    def _aggregated(self, sent: Mapping[str, Weights]) -> Gathered:
        found = aggregate(self.plan, sent)
        inputs = {name: sha256_hex(save(gradient)) for name, gradient in sent.items()}
        return Gathered(found.gradient, inputs, shortened=found.shortened, left_out=found.left_out)

    def _summed(self) -> Gathered:
        """One attempt at a secure sum of what the sites keep."""
        session = self._session()
        place = {"round": self.number, "attempt": session.attempt}

        def ask(step: SumStep, asked: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Fields]:
            contents = {name: {**fields, **place} for name, fields in asked.items()}
            seconds, enough = self.plan.round_seconds, session.threshold
            return self.asking.ask_fields(step, self.plan.digest, contents, seconds=seconds, enough=enough).given

        try:
            summed = secure_sum(session, ask, self.asking.wrong)
            if len(summed.inputs) < self.plan.needed:
                raise TrainingError(
                    f"{session.label}: {len(summed.inputs)} sites, and the plan needs {self.plan.needed}"
                )
        except ConfideError as error:
            raise _TryAgain(error.message, error.hint) from None
        return Gathered(self._unpacked(summed), summed.inputs, session.attempt, summed.signatures)

    def _session(self) -> Session:
        length = sum(array.size for array in self.weights.values())
        return Session(
            federation=self.federation.name,
            plan=self.plan.digest,
            round=self.number,
            attempt=next_attempt(self.server, self.plan.digest, self.number),
            model=sha256_hex(save(self.weights)),
            quantiser=Quantiser(length, largest_norm_bound(self.plan, length)),
            sites=known_keys(self._names, self.federation.keys),
        )

    def _unpacked(self, summed: Summed) -> Weights:
        """The weighted mean, in the shapes of the weights; vectors have the arrays in the order of their names."""
        mean, found, at = summed.total.update / summed.total.weight, Weights(), 0
        for name in sorted(self.weights):
            like = self.weights[name]
            found[name] = np.asarray(mean[at : at + like.size].reshape(like.shape), np.float32)
            at += like.size
        return found

    @property
    def _names(self) -> list[str]:
        return [share.name for share in self.plan.sites]
