"""One gradient of what the sites of a round send: asked for, put together by the plan's rule, tried again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from safetensors.numpy import save

from federated.aggregation import Weights
from federated.asking import Answers, Asking, Refused, read_update
from federated.exchange import Federation
from federated.messages import Fields, TrainOrder, pack_order
from federated.plan import Plan, check_sum
from federated.progress import next_attempt
from federated.secagg import Session
from federated.secagg.messages import SumStep
from federated.server_after import receipt_of
from federated.server_round import aggregate, mean_of
from federated.server_sum import Read, SumAttempt
from federated.sum_record import SumRecord
from federated.sum_session import session_of
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
        plan, number, needed = self.plan, self.number, self._needed
        like = {} if plan.is_secure else self.weights
        order = pack_order(TrainOrder(plan.digest, number, self.weights, receipt_of(self.server, plan, number - 1)))
        answers = self.asking.ask(
            "train",
            dict.fromkeys(self._names, order),
            lambda name, content: read_update(content, plan.digest, number, like),
            seconds=plan.round_seconds,
            enough=needed,
        )
        self._check_enough(answers)
        return dict(answers.given)

    def _check_enough(self, answers: Answers[Weights]) -> None:
        """Raises TrainingError where fewer sites than the plan needs sent an update; to try again, if none refused."""
        if len(answers.given) >= self._needed:
            return
        said = f"the plan needs {self._needed}; {answers.in_words(self._names)}"
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
        """One attempt at a secure sum of what the sites keep.

        Who is in it is settled before anybody signs, and on disk before anybody reveals a share: from then on the sites
        sign for no others in this round, so no others are asked.
        """
        session, record = self._session(), self._record

        def ask(step: SumStep, asked: Mapping[str, Fields], read: Read) -> None:
            place = {"round": self.number, "attempt": session.attempt}
            contents = {name: {**fields, **place} for name, fields in asked.items()}
            enough = session.threshold if step in (SumStep.SIGN, SumStep.UNMASK) else min(self._needed, len(asked))
            seconds = self.plan.round_seconds
            self.asking.ask_fields(step, self.plan.digest, contents, read, seconds=seconds, enough=enough)

        attempt = SumAttempt(session, ask, record.keep)
        try:
            names = attempt.collect(self._names)
            check_sum(self.plan, names, self._needed)
            attempt.sign()
            record.settle(names)
            summed = attempt.unmask()
        except ConfideError as error:
            raise _TryAgain(error.message, error.hint) from None
        record.open(summed.opened)
        return Gathered(mean_of(summed.total, self.weights), summed.inputs, session.attempt, summed.signatures)

    def _session(self) -> Session:
        return session_of(
            self.plan,
            self.federation.name,
            self.federation.keys,
            round_number=self.number,
            attempt=next_attempt(self.server, self.plan.digest, self.number),
            start=sha256_hex(save(self.weights)),
            length=sum(array.size for array in self.weights.values()),
        )

    @property
    def _record(self) -> SumRecord:
        return SumRecord(self.server.home, self.plan.digest, self.number)

    @property
    def _names(self) -> tuple[str, ...]:
        """Who is asked: every site of the plan, or those of a secure sum that may have been unmasked already."""
        return self._record.settled or tuple(share.name for share in self.plan.sites)

    @property
    def _needed(self) -> int:
        return len(self._record.settled) or self.plan.needed
