"""The server's side of a study: send the weights, gather noisy gradients, average, step, and log each round."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import Strategy
from safetensors.numpy import save

from federated.aggregate import MomentumServer, Weights, weighted_mean
from federated.messages import Fields, TrainOrder, TrainReply, pack_fields, pack_order, unpack_fields, unpack_reply
from federated.plan import Plan
from federated.witnessing import Question, cosign_all
from policies.errors import ConfideError, IntegrityError, TrainingError
from policies.events import Event
from policies.files import canonical_json, sha256_hex, write_whole
from policies.guard import Server

WAIT_FOR_SITES_S = 180.0
_PATIENCE_S = 60.0  # for an answer about tree heads


@dataclass(frozen=True)
class RoundDone:
    """One finished round, for whoever watches."""

    round: int
    rounds: int
    seconds: float
    bytes_per_site: int


class PrivateAveraging(Strategy):
    """Flower strategy: the plan's weighted mean of noisy gradients, then one momentum step.

    A round needs every site of the plan; one that refuses or fails ends the run, and the weights of the last finished
    round stay on disk.
    """

    def __init__(
        self, server: Server, plan: Plan, weights: Weights, watch: Callable[[RoundDone], None] | None = None
    ) -> None:
        self._server, self._plan, self._watch = server, plan, watch
        self._momentum = MomentumServer(dict(weights), learning_rate=plan.learning_rate, momentum=plan.momentum)
        self._began = 0.0

    @property
    def weights(self) -> Weights:
        return self._momentum.weights

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """One order to every node."""
        self._began = time.monotonic()
        nodes = _wait_for_nodes(grid, len(self._plan.sites))
        content = pack_order(TrainOrder(self._plan.digest, server_round, self.weights))
        return [Message(content=content, dst_node_id=node, message_type="train") for node in nodes]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Average what came back, step, keep and log the round.

        Raises:
            TrainingError: a site refused or failed, or its update cannot be used.
        """
        gradients = [self._checked(server_round, message) for message in replies]
        if len({reply.site for reply in gradients}) != len(self._plan.sites):
            raise TrainingError(
                f"round {server_round}: {len(gradients)} of {len(self._plan.sites)} sites answered",
                "Look into the log of the site that is missing; the weights of the last finished round were kept.",
            )
        shares = self._plan.sites
        mean = weighted_mean([(float(shares[reply.site].weight), reply.gradient) for reply in gradients])
        weights = self._momentum.step(mean)
        done = self._keep(server_round, gradients, save(weights))
        if self._watch:
            self._watch(done)
        return ArrayRecord({}), None

    def _checked(self, server_round: int, message: Message) -> TrainReply:
        if message.has_error():
            raise TrainingError(f"round {server_round}: a site failed", "Look into the logs of the sites.")
        reply = unpack_reply(message.content)
        known = 0 <= reply.site < len(self._plan.sites)
        if reply.plan != self._plan.digest or reply.round != server_round or not known:
            raise IntegrityError(f"round {server_round}: an answer to another plan or round")
        if reply.refusal:
            site = self._plan.sites[reply.site].name
            raise TrainingError(
                f"round {server_round}: site '{site}' refused (code {reply.refusal})",
                f"The reason stands in the audit log of '{site}'.",
            )
        return reply

    def _keep(self, server_round: int, replies: list[TrainReply], weights: bytes) -> RoundDone:
        updates = {self._plan.sites[reply.site].name: save(reply.gradient) for reply in replies}
        seconds = time.monotonic() - self._began
        done = RoundDone(server_round, self._plan.rounds, seconds, max(map(len, updates.values())))
        home = self._server.home
        write_whole(home.weights(self._plan.digest, server_round), weights)
        row = {"round": done.round, "seconds": f"{seconds:.3f}", "bytes_per_site": done.bytes_per_site}
        with home.rounds(self._plan.digest).open("wb" if server_round == 1 else "ab") as stream:
            stream.write(canonical_json(row) + b"\n")
        self._server.guard.record(
            Event.ROUND_AGGREGATED,
            plan=self._plan.digest,
            round=server_round,
            updates={site: sha256_hex(update) for site, update in sorted(updates.items())},
            weights=sha256_hex(weights),
        )
        return done

    def cosign(self, grid: Grid) -> None:
        """Let the sites sign each other's tree heads; what is missing is logged, and undoes no training."""
        nodes = _wait_for_nodes(grid, len(self._plan.sites))

        def ask(question: Question, asked: Sequence[Fields]) -> list[Fields]:
            kind = f"query.{question}"
            plan = self._plan.digest
            messages = [
                Message(content=pack_fields(plan, fields), dst_node_id=node, message_type=kind)
                for node, fields in zip(nodes, asked, strict=True)
            ]
            answers = {
                reply.metadata.src_node_id: reply for reply in grid.send_and_receive(messages, timeout=_PATIENCE_S)
            }
            found = [(unpack_fields(answers[node].content)[1], node) for node in nodes]
            if question is Question.SEEN:  # the first question is the same for all, and its answers say who is who
                found.sort(key=lambda one: one[0]["site"])
                nodes[:] = [node for _, node in found]
            return [fields for fields, _ in found]

        try:
            missing = cosign_all(self._plan, ask)
        except (ConfideError, LookupError, ValueError) as error:
            missing = {share.name: [type(error).__name__] for share in self._plan.sites}
        if missing:
            self._server.guard.record(Event.WITNESS_REFUSED, plan=self._plan.digest, missing=missing)

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """None: a score of a site's patients is a release, and this plan has no budget for it."""
        return []

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        return None

    def summary(self) -> None:
        """Nothing: the plan says it all."""


def _wait_for_nodes(grid: Grid, wanted: int) -> list[int]:
    until = time.monotonic() + WAIT_FOR_SITES_S
    while len(nodes := sorted(grid.get_node_ids())) < wanted:
        if time.monotonic() > until:
            raise TrainingError(f"{len(nodes)} of {wanted} sites are connected after {WAIT_FOR_SITES_S:.0f} s")
        time.sleep(0.1)
    return nodes[:wanted]


def build_server_app(strategy: PrivateAveraging, rounds: int) -> ServerApp:
    """The Flower app that runs a strategy for so many rounds."""
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        strategy.start(grid, ArrayRecord({}), num_rounds=rounds)
        strategy.cosign(grid)

    return app
