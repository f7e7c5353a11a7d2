"""All hospitals of a workspace on one machine: Flower's simulation runtime, with the apps of the real federation."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable

from flwr.app import Message
from flwr.serverapp import Grid

from federated.aggregation import Weights
from federated.aggregation.early_stop import PublicScore, no_score
from federated.client_app import NO_PLAN, PLACE, app
from federated.exchange import PAUSE_S, Federation, Node
from federated.messages import pack_fields, unpack_fields
from federated.parties import SIMULATED_SITES, simulated_parties
from federated.plan import Plan
from federated.progress import RoundDone
from federated.server_app import Rounds, build_server_app
from policies.errors import ConfideError, TrainingError
from policies.guard import Server
from policies.network import lock_ray
from policies.workspace import WORKSPACE_VARIABLE, Workspace

_PATIENCE_S = 60.0


def simulate(
    workspace: Workspace,
    server: Server,
    plan: Plan,
    weights: Weights,
    watch: Callable[[RoundDone], None] = lambda done: None,
    *,
    score: PublicScore = no_score,
) -> Weights:
    """Run a plan that every site has approved and prepared, and return the final weights.

    Args:
        weights: the start, which every site derives from the plan's seed alike.
        watch: told of each round that was finished now; those of an earlier run are not repeated.
        score: of a round's weights on the plan's public notes, where it may end early.

    Raises:
        TrainingError: a site refused or failed.
    """
    from flwr.simulation import run_simulation

    os.environ[WORKSPACE_VARIABLE] = str(workspace.root.resolve())
    names = [share.name for share in plan.sites]
    os.environ[SIMULATED_SITES] = ",".join(names)
    lock_ray()
    logging.getLogger("flwr").setLevel(logging.CRITICAL)
    threads = server.guard.policy.training.threads
    cores = max(os.cpu_count() or 1, threads)
    parties = simulated_parties(workspace, names)
    federation = Federation(parties.federation, parties.sites, _Places(names))
    rounds = Rounds(server, plan, weights, federation, watch, score=score)
    try:
        run_simulation(
            build_server_app(rounds),
            app,
            num_supernodes=len(plan.sites),
            backend_config={
                "client_resources": {"num_cpus": threads, "num_gpus": 0.0},
                "init_args": {
                    "num_cpus": cores,
                    "include_dashboard": False,
                    "log_to_driver": False,
                    "_node_ip_address": "127.0.0.1",
                },
            },
        )
    except ConfideError:
        raise
    except Exception as error:
        if isinstance(error.__cause__, ConfideError):
            raise error.__cause__ from None
        raise TrainingError(f"Flower's simulation ended with {type(error).__name__}") from error
    finally:
        del os.environ[SIMULATED_SITES]
    return rounds.weights


class _Places:
    """The nodes of a simulation, which are asked once who they are; between machines, keys say so."""

    def __init__(self, names: list[str]) -> None:
        self._names, self._found = names, dict[str, Node]()

    def __call__(self, grid: Grid) -> dict[str, Node]:
        if not self._found:
            self._found = self._ask(grid)
        return self._found

    def _ask(self, grid: Grid) -> dict[str, Node]:
        content, found = pack_fields(NO_PLAN, {}), dict[str, Node]()
        asked = [Message(content, dst_node_id=node, message_type=f"query.{PLACE}") for node in grid.get_node_ids()]
        waiting, until = set(grid.push_messages(asked)), time.monotonic() + _PATIENCE_S
        while waiting and time.monotonic() < until:
            for reply in grid.pull_messages(waiting):
                place = unpack_fields(reply.content)[1][PLACE]
                found[self._names[place]] = Node(reply.metadata.src_node_id)
                waiting.discard(reply.metadata.reply_to_message_id)
            time.sleep(PAUSE_S)
        return found
