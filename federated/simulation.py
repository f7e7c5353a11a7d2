"""All hospitals of a workspace on one machine: Flower's simulation runtime, with the apps of the real federation."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from federated.aggregate import Weights
from federated.client_app import SIMULATED_SITES, app
from federated.plan import Plan
from federated.server_app import PrivateAveraging, RoundDone, build_server_app
from policies.errors import ConfideError, TrainingError
from policies.guard import Server
from policies.network import lock_ray
from policies.workspace import WORKSPACE_VARIABLE, Workspace


def simulate(
    workspace: Workspace, server: Server, plan: Plan, weights: Weights, watch: Callable[[RoundDone], None] | None = None
) -> Weights:
    """Run a plan that every site has approved and prepared, and return the final weights.

    Args:
        weights: the start, which every site derives from the plan's seed alike.
        watch: told of each finished round.

    Raises:
        TrainingError: a site refused or failed.
    """
    from flwr.simulation import run_simulation

    os.environ[WORKSPACE_VARIABLE] = str(workspace.root.resolve())
    os.environ[SIMULATED_SITES] = ",".join(share.name for share in plan.sites)
    lock_ray()
    logging.getLogger("flwr").setLevel(logging.CRITICAL)
    threads = server.guard.policy.training.threads
    cores = max(os.cpu_count() or 1, threads)
    strategy = PrivateAveraging(server, plan, weights, watch)
    try:
        run_simulation(
            build_server_app(strategy, plan.rounds),
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
    return strategy.weights
