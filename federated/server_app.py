"""The server's side of a study, round by round: gather one gradient, step, keep the round, tell the sites."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp
from safetensors.numpy import save

from federated.aggregation import Weights
from federated.aggregation.early_stop import EarlyStop, PublicScore, no_score
from federated.asking import Asking
from federated.exchange import Exchange, Federation
from federated.plan import Plan
from federated.progress import Finished, RoundDone, keep_round, last_finished, weights_after
from federated.receipt import Receipt
from federated.server_after import cosign, hand_out
from federated.server_gather import Gathered, Gathering
from federated.server_round import sensitivity, server_of
from policies.errors import TrainingError
from policies.events import Event
from policies.files import sha256_hex, storage_errors, write_whole
from policies.guard import Server

TRIES = 5


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
        if not self.done:
            write_whole(self._server.home.weights(self._plan.digest, 0), save(self._start))
        if self.done:
            hand_out(self._server, self._plan, self._asking(grid, self.done), self.done)  # it may not have reached all
        ended = any(
            self._stop.after(number, weights_after(self._server, self._plan.digest, number))
            for number in range(1, self.done + 1)
        )
        while not ended and self.done < self._plan.rounds:
            self._round(self._asking(grid, self.done + 1), self.done + 1)
            ended = self._stop.after(self.done, self.weights)
        cosign(self._server, self._plan, self._federation, self._asking(grid, self.done))

    def _round(self, asking: Asking, number: int) -> None:
        began, start = time.monotonic(), sha256_hex(save(self.weights))
        gathering = Gathering(self._server, self._plan, self._federation, asking, number, self.weights)
        gathered = gathering.gather(self._tries)
        weights = self._steps.step(gathered.gradient)
        done = RoundDone(
            round=number,
            rounds=self._plan.rounds,
            seconds=time.monotonic() - began,
            waited=gathered.there - began,
            sites=tuple(sorted(gathered.inputs)),
            sent=asking.exchange.sent,
            received=asking.exchange.received,
        )
        receipt = self._receipt(number, gathered, start, weights)
        keep_round(self._server, Finished(number, weights, self._steps.memory), receipt, done)
        self.done = number
        hand_out(self._server, self._plan, asking, number)
        self._watch(done)

    def _receipt(self, number: int, gathered: Gathered, start: str, model: Weights) -> Receipt:
        length = sum(array.size for array in model.values())
        moved = sensitivity(self._plan, gathered.inputs.keys(), length)
        return Receipt(
            plan=self._plan.digest,
            round=number,
            attempt=gathered.attempt,
            aggregation=self._plan.aggregation,
            start=start,
            inputs=dict(gathered.inputs),
            model=sha256_hex(save(model)),
            signatures=dict(gathered.signatures or {}),
            shortened=gathered.shortened,
            left_out=gathered.left_out,
            sensitivity={name: f"{most:.6g}" for name, most in moved.items()},
        )

    def _asking(self, grid: Grid, number: int) -> Asking:
        return Asking(Exchange(grid, self._federation.find), partial(self._failed, number))

    def _failed(self, number: int, reason: str) -> None:
        self._server.guard.record(Event.ROUND_FAILED, plan=self._plan.digest, round=number, reason=reason)


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
