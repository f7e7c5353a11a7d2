"""The server's side of a study: send the weights, gather noisy gradients, put them together, step, log the round."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import Context, RecordDict
from flwr.serverapp import Grid, ServerApp
from safetensors.numpy import save

from federated.aggregation import Weights
from federated.aggregation.early_stop import EarlyStop, PublicScore, no_score
from federated.asking import Answers, Asking, Refused, read_fields, read_update
from federated.exchange import Directory, Exchange
from federated.messages import Fields, TrainOrder, pack_fields, pack_order
from federated.plan import Plan
from federated.progress import Finished, RoundDone, keep_round, last_finished, next_attempt, weights_after
from federated.questions import RECEIPT
from federated.receipt import Receipt
from federated.secagg import Quantiser, Session, known_keys
from federated.secagg.messages import SumStep
from federated.server_round import aggregate, largest_norm_bound, server_of
from federated.server_sum import Summed, secure_sum
from federated.witnessing import Question, check_answer, cosign_all, no_answer
from policies.errors import ConfideError, TrainingError
from policies.events import Event
from policies.files import sha256_hex, storage_errors
from policies.guard import Server
from policies.keys import PublicKey

TRIES = 5

_PATIENCE_S = 60.0  # for an answer that needs no training


@dataclass(frozen=True)
class Federation:
    """Who takes part, as the server knows it.

    Attributes:
        keys: of the sites, by name.
        find: their nodes.
    """

    name: str
    keys: Mapping[str, PublicKey]
    find: Directory


@dataclass(frozen=True)
class _Gathered:
    """One gradient of what the sites of a round sent."""

    gradient: Weights
    inputs: Mapping[str, str]
    attempt: int = 0
    signatures: Mapping[str, str] | None = None
    shortened: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    there: float = 0.0  # when all that was waited for was there


class Rounds:
    """All rounds of a plan, from wherever the last run of it ended.

    A round counts with as many sites as the plan needs; with fewer it is tried again, and then ends the run. What
    stands on disk of the finished rounds is enough to go on later.
    """

    def __init__(
        self,
        server: Server,
        plan: Plan,
        weights: Weights,
        federation: Federation,
        watch: Callable[[RoundDone], None] = lambda done: None,
        *,
        tries: int = TRIES,
        score: PublicScore = no_score,
    ) -> None:
        self._server, self._plan, self._federation, self._watch = server, plan, federation, watch
        self._tries, self._stop = tries, EarlyStop(score, plan.patience)
        self._start = weights
        self._resume()

    def _resume(self) -> None:
        last = last_finished(self._server, self._plan) or Finished(0, self._start, {})
        self.done = last.round
        self._steps = server_of(self._plan, last.weights, last.memory or None)

    @property
    def weights(self) -> Weights:
        return self._steps.weights

    def run(self, grid: Grid) -> None:
        """Every round that is left, or fewer where the plan ends early; then the sites sign each other's tree heads.

        Raises:
            TrainingError: too few sites answered, one refused that the plan needs, or another process runs the plan.
        """
        with _only_one(self._server.home.run(self._plan.digest)):
            self._run(grid)

    def _run(self, grid: Grid) -> None:
        self._resume()
        if self.done:
            self._hand_out(self._asking(grid, self.done), self.done)  # it may not have reached all
        ended = any(
            self._stop.after(number, weights_after(self._server, self._plan.digest, number))
            for number in range(1, self.done + 1)
        )
        while not ended and self.done < self._plan.rounds:
            self._round(self._asking(grid, self.done + 1), self.done + 1)
            ended = self._stop.after(self.done, self.weights)
        self._cosign(self._asking(grid, self.done))

    def _round(self, asking: Asking, number: int) -> None:
        began, start = time.monotonic(), sha256_hex(save(self.weights))
        gathered = self._gather(asking, number)
        weights = self._steps.step(gathered.gradient)
        receipt = Receipt(
            plan=self._plan.digest,
            round=number,
            attempt=gathered.attempt,
            aggregation=self._plan.aggregation,
            start=start,
            inputs=dict(gathered.inputs),
            model=sha256_hex(save(weights)),
            signatures=dict(gathered.signatures or {}),
            shortened=gathered.shortened,
            left_out=gathered.left_out,
        )
        done = RoundDone(
            round=number,
            rounds=self._plan.rounds,
            seconds=time.monotonic() - began,
            waited=gathered.there - began,
            sites=tuple(sorted(gathered.inputs)),
            sent=asking.exchange.sent,
            received=asking.exchange.received,
        )
        keep_round(self._server, Finished(number, weights, self._steps.memory), receipt, done)
        self.done = number
        self._hand_out(asking, number)
        self._watch(done)

    def _gather(self, asking: Asking, number: int) -> _Gathered:
        """Raises TrainingError where no try brought enough sites together."""
        for left in reversed(range(self._tries)):
            try:
                sent, there = self._train(asking, number), time.monotonic()
                found = self._summed(asking, number) if self._plan.is_secure else self._aggregated(sent)
                return replace(found, there=there)
            except _TryAgain as error:
                if not left:
                    raise
                self._failed(number, error.message)
        raise AssertionError

    def _train(self, asking: Asking, number: int) -> dict[str, Weights]:
        """What each site that follows the order sends: its noisy gradient, or nothing yet under secure aggregation."""
        like = {} if self._plan.is_secure else self.weights
        order = pack_order(TrainOrder(self._plan.digest, number, self.weights, self._receipt(number - 1)))
        answers = asking.ask(
            "train",
            dict.fromkeys(self._names, order),
            partial(read_update, plan=self._plan.digest, round_number=number, like=like),
            seconds=self._plan.round_seconds,
            enough=self._plan.needed,
        )
        self._check_enough(number, answers)
        return dict(answers.given)

    def _check_enough(self, number: int, answers: Answers[Weights]) -> None:
        """Raises TrainingError where fewer sites than the plan needs sent an update; to try again, if none refused."""
        if len(answers.given) >= self._plan.needed:
            return
        for name, fault in answers.faults.items():
            if isinstance(fault, Refused):
                raise TrainingError(
                    f"round {number}: site '{name}' {fault.message}",
                    f"The reason stands in the audit log of '{name}'.",
                )
        why = "".join(f"; '{name}': {fault.message}" for name, fault in answers.faults.items())
        raise _TryAgain(
            f"round {number}: {len(answers.given)} of {len(self._names)} sites answered, and the plan needs "
            f"{self._plan.needed}{why}",
            "Look into the log of a site that is missing; the same command goes on after the last finished round.",
        )

    def _aggregated(self, sent: Mapping[str, Weights]) -> _Gathered:
        found = aggregate(self._plan, sent)
        inputs = {name: sha256_hex(save(gradient)) for name, gradient in sent.items()}
        return _Gathered(found.gradient, inputs, shortened=found.shortened, left_out=found.left_out)

    def _summed(self, asking: Asking, number: int) -> _Gathered:
        """One attempt at a secure sum of what the sites keep."""
        session = self._session(number)
        place = {"round": number, "attempt": session.attempt}

        def ask(step: SumStep, asked: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Fields]:
            contents = {name: self._packed({**fields, **place}) for name, fields in asked.items()}
            limits = {"seconds": self._plan.round_seconds, "enough": session.threshold}
            return asking.ask(f"query.{step}", contents, self._read, **limits).given

        try:
            summed = secure_sum(session, ask, lambda why: self._failed(number, why))
            if len(summed.inputs) < self._plan.needed:
                raise TrainingError(
                    f"{session.label}: {len(summed.inputs)} sites, and the plan needs {self._plan.needed}"
                )
        except ConfideError as error:
            raise _TryAgain(error.message, error.hint) from None
        return _Gathered(self._unpacked(summed), summed.inputs, session.attempt, summed.signatures)

    def _session(self, number: int) -> Session:
        length = sum(array.size for array in self.weights.values())
        return Session(
            federation=self._federation.name,
            plan=self._plan.digest,
            round=number,
            attempt=next_attempt(self._server, self._plan.digest, number),
            model=sha256_hex(save(self.weights)),
            quantiser=Quantiser(length, largest_norm_bound(self._plan, length)),
            sites=known_keys(self._names, self._federation.keys),
        )

    def _unpacked(self, summed: Summed) -> Weights:
        """The weighted mean, in the shapes of the weights; vectors have the arrays in the order of their names."""
        mean, found, at = summed.total.update / summed.total.weight, Weights(), 0
        for name in sorted(self.weights):
            like = self.weights[name]
            found[name] = np.asarray(mean[at : at + like.size].reshape(like.shape), np.float32)
            at += like.size
        return found

    def _hand_out(self, asking: Asking, number: int) -> None:
        """The receipt to every site that is there; one that refuses it says so by its code, and that is logged."""
        content = self._packed({"round": number, "document": self._receipt(number)})
        asking.ask(f"query.{RECEIPT}", dict.fromkeys(self._names, content), self._read, seconds=_PATIENCE_S, enough=0)

    def _receipt(self, number: int) -> bytes:
        return self._server.home.receipt(self._plan.digest, number).read_bytes() if number else b""

    def _cosign(self, asking: Asking) -> None:
        """Let the sites sign each other's tree heads; what is missing is logged, and undoes no training."""
        left = list(self._names)

        def ask(question: Question, asked: Sequence[Fields]) -> list[Fields]:
            """A site that gave no answer is asked no more."""
            contents = {name: self._packed(fields) for name, fields in zip(self._names, asked, strict=True)}
            given = asking.ask(
                f"query.{question}",
                {name: contents[name] for name in left},
                lambda content: check_answer(question, len(asked), self._read(content)),
                seconds=_PATIENCE_S,
                enough=0,
            ).given
            left[:] = given
            return [given.get(name, no_answer(question, len(asked))) for name in self._names]

        missing = cosign_all(self._plan, ask)
        missing |= {name: missing.get(name, []) for name in self._names if name not in left}
        if missing:
            self._server.guard.record(Event.WITNESS_REFUSED, plan=self._plan.digest, missing=missing)

    def _read(self, content: RecordDict) -> Fields:
        return read_fields(content, self._plan.digest)

    @property
    def _names(self) -> list[str]:
        return [share.name for share in self._plan.sites]

    def _packed(self, fields: Fields) -> RecordDict:
        return pack_fields(self._plan.digest, fields)

    def _asking(self, grid: Grid, number: int) -> Asking:
        return Asking(Exchange(grid, self._federation.find), partial(self._failed, number))

    def _failed(self, number: int, reason: str) -> None:
        self._server.guard.record(Event.ROUND_FAILED, plan=self._plan.digest, round=number, reason=reason)


class _TryAgain(TrainingError):
    """Too few sites took part this time."""


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Holds the folder of a run, until the process ends at the latest; raises TrainingError where another does."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise TrainingError(
            "this plan is being trained already", "Wait until that command has ended, or end it and run this one again."
        ) from None
    try:
        yield
    finally:
        os.close(handle)


def build_server_app(rounds: Rounds) -> ServerApp:
    """The Flower app that runs the rounds of a plan."""
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        rounds.run(grid)

    return app
