"""The server's side of a study: send the weights, gather noisy gradients, put them together, step, log the round."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from flwr.app import Context, RecordDict
from flwr.serverapp import Grid, ServerApp
from safetensors.numpy import save

from federated.aggregation import Weights
from federated.aggregation.early_stop import EarlyStop, PublicScore, no_score
from federated.exchange import Directory, Exchange
from federated.messages import Fields, TrainOrder, pack_fields, pack_order, unpack_fields, unpack_reply
from federated.plan import Plan
from federated.progress import Finished, RoundDone, keep_round, last_finished, next_attempt, weights_after
from federated.questions import RECEIPT
from federated.receipt import Receipt
from federated.secagg import Quantiser, Session, known_keys
from federated.secagg.messages import SumStep
from federated.server_round import aggregate, largest_norm_bound, server_of
from federated.server_sum import Summed, secure_sum
from federated.witnessing import Question, cosign_all
from policies.errors import ConfideError, IntegrityError, TrainingError
from policies.events import Event
from policies.files import sha256_hex
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
        last = last_finished(server, plan) or Finished(0, weights, {})
        self.done = last.round
        self._steps = server_of(plan, last.weights, last.memory or None)

    @property
    def weights(self) -> Weights:
        return self._steps.weights

    def run(self, grid: Grid) -> None:
        """Every round that is left, or fewer where the plan ends early; then the sites sign each other's tree heads.

        Raises:
            TrainingError: too few sites answered, or one refused that the plan needs.
        """
        if self.done:
            self._hand_out(Exchange(grid, self._federation.find), self.done)  # it may not have reached all
        ended = any(
            self._stop.after(number, weights_after(self._server, self._plan.digest, number))
            for number in range(1, self.done + 1)
        )
        while not ended and self.done < self._plan.rounds:
            self._round(Exchange(grid, self._federation.find), self.done + 1)
            ended = self._stop.after(self.done, self.weights)
        self._cosign(Exchange(grid, self._federation.find))

    def _round(self, exchange: Exchange, number: int) -> None:
        began, start = time.monotonic(), sha256_hex(save(self.weights))
        gathered = self._gather(exchange, number)
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
            sent=exchange.sent,
            received=exchange.received,
        )
        keep_round(self._server, Finished(number, weights, self._steps.memory), receipt, done)
        self.done = number
        self._hand_out(exchange, number)
        self._watch(done)

    def _gather(self, exchange: Exchange, number: int) -> _Gathered:
        """Raises TrainingError where no try brought enough sites together."""
        for left in reversed(range(self._tries)):
            try:
                sent, there = self._train(exchange, number), time.monotonic()
                found = self._summed(exchange, number) if self._plan.is_secure else self._aggregated(sent)
                return replace(found, there=there)
            except _TryAgain as error:
                if not left:
                    raise
                self._failed(number, error.message)
        raise AssertionError

    def _train(self, exchange: Exchange, number: int) -> dict[str, Weights]:
        """What each site that follows the order sends: its noisy gradient, or nothing yet under secure aggregation."""
        order = pack_order(TrainOrder(self._plan.digest, number, self.weights))
        answers = self._ask(
            exchange, "train", dict.fromkeys(self._names, order), self._plan.round_seconds, self._plan.needed
        )
        sent, refusals = dict[str, Weights](), dict[str, int]()
        for name, content in answers.items():
            reply = unpack_reply(content)
            if (reply.plan, reply.round) != (self._plan.digest, number) and not reply.refusal:
                raise IntegrityError(f"round {number}: '{name}' answers to another plan or round")
            if reply.refusal:
                refusals[name] = reply.refusal
                self._failed(number, f"'{name}' refused (code {reply.refusal})")
            else:
                sent[name] = reply.gradient
        if len(sent) < self._plan.needed:
            for name, code in refusals.items():
                raise TrainingError(
                    f"round {number}: site '{name}' refused (code {code})",
                    f"The reason stands in the audit log of '{name}'.",
                )
            raise _TryAgain(
                f"round {number}: {len(sent)} of {len(self._names)} sites answered, and the plan needs "
                f"{self._plan.needed}",
                "Look into the log of a site that is missing; the same command goes on after the last finished round.",
            )
        return sent

    def _aggregated(self, sent: Mapping[str, Weights]) -> _Gathered:
        found = aggregate(self._plan, sent)
        inputs = {name: sha256_hex(save(gradient)) for name, gradient in sent.items()}
        return _Gathered(found.gradient, inputs, shortened=found.shortened, left_out=found.left_out)

    def _summed(self, exchange: Exchange, number: int) -> _Gathered:
        """One attempt at a secure sum of what the sites keep."""
        session = self._session(number)
        place = {"round": number, "attempt": session.attempt}

        def ask(step: SumStep, asked: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Fields]:
            contents = {name: self._packed({**fields, **place}) for name, fields in asked.items()}
            answers = self._ask(exchange, f"query.{step}", contents, self._plan.round_seconds, session.threshold)
            found = {name: unpack_fields(content)[1] for name, content in answers.items()}
            return {name: fields for name, fields in found.items() if "refusal" not in fields}

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

    def _hand_out(self, exchange: Exchange, number: int) -> None:
        """The receipt to every site that is there; one that refuses it says so by its code, and that is logged."""
        document = self._server.home.receipt(self._plan.digest, number).read_bytes()
        content = self._packed({"round": number, "document": document})
        answers = self._ask(exchange, f"query.{RECEIPT}", dict.fromkeys(self._names, content), _PATIENCE_S, 0)
        for name, answer in answers.items():
            if code := unpack_fields(answer)[1].get("refusal"):
                self._failed(number, f"'{name}' refused the receipt (code {code})")

    def _cosign(self, exchange: Exchange) -> None:
        """Let the sites sign each other's tree heads; what is missing is logged, and undoes no training."""

        def ask(question: Question, asked: Sequence[Fields]) -> list[Fields]:
            contents = {name: self._packed(fields) for name, fields in zip(self._names, asked, strict=True)}
            answers = self._ask(exchange, f"query.{question}", contents, _PATIENCE_S, 0)
            return [unpack_fields(answers[name])[1] for name in self._names]

        try:
            missing = cosign_all(self._plan, ask)
        except (ConfideError, LookupError, ValueError) as error:
            missing = {name: [type(error).__name__] for name in self._names}
        if missing:
            self._server.guard.record(Event.WITNESS_REFUSED, plan=self._plan.digest, missing=missing)

    @property
    def _names(self) -> list[str]:
        return [share.name for share in self._plan.sites]

    def _packed(self, fields: Fields) -> RecordDict:
        return pack_fields(self._plan.digest, fields)

    def _ask(
        self,
        exchange: Exchange,
        kind: str,
        contents: Mapping[str, RecordDict],
        seconds: float,
        enough: int,
    ) -> dict[str, RecordDict]:
        """The answers of those that gave one."""
        answers = exchange.ask(kind, contents, seconds, enough)
        return {name: content for name, content in answers.items() if content is not None}

    def _failed(self, number: int, reason: str) -> None:
        self._server.guard.record(Event.ROUND_FAILED, plan=self._plan.digest, round=number, reason=reason)


class _TryAgain(TrainingError):
    """Too few sites took part this time."""


def build_server_app(rounds: Rounds) -> ServerApp:
    """The Flower app that runs the rounds of a plan."""
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        rounds.run(grid)

    return app
