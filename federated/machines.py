"""From the server to the machines of its federation: who their nodes are, and rounds that outlive a SuperLink."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from flwr.serverapp import Grid

from federated.aggregation import Weights
from federated.aggregation.early_stop import PublicScore, no_score
from federated.exchange import Directory, Federation, Node
from federated.node.link import run_of_installed_code
from federated.node.service import running_link
from federated.plan import Plan
from federated.progress import RoundDone
from federated.provision.founding import read_roster
from federated.provision.roster import Roster
from federated.server_app import Rounds
from policies.errors import InputError, StorageError, TrainingError
from policies.guard import Server

_REST_S = 2.0
_STEADY_S = 20.0  # a run that lasted as long was a good one
_Found = TypeVar("_Found")


def federation_named(server: Server, name: str) -> Roster:
    """The federation of this server; raises InputError where it has another name."""
    roster = read_roster(server)
    if roster.federation != name:
        raise InputError(f"this server's federation is '{roster.federation}', not '{name}'")
    return roster


def by_keys(roster: Roster) -> Directory:
    """The nodes whose keys stand in the roster, by the name of their site; any other node is nobody's."""
    names = {member.node.encode(): member.name for member in roster.members}

    def find(grid: Grid) -> Mapping[str, Node]:
        known = [node for node in grid.get_nodes() if node.public_key in names]
        return {names[node.public_key]: Node(node.node_id, node.last_activated_at) for node in known}

    return find


def members_of(roster: Roster) -> Federation:
    """A roster as the rounds of a plan want it."""
    return Federation(roster.federation, {one.name: roster.key_of(one.name) for one in roster.members}, by_keys(roster))


def run_rounds(
    server: Server,
    roster: Roster,
    plan: Plan,
    start: Weights,
    *,
    watch: Callable[[RoundDone], None],
    patience_s: float,
    score: PublicScore = no_score,
) -> Weights:
    """All rounds that are left of a plan.

    Args:
        score: of a round's weights on the plan's public notes, where it may end early.

    Raises:
        TrainingError: too few sites took part, one refused, or the SuperLink was away for too long.
    """

    def run(grid: Grid) -> Weights:
        rounds = Rounds(server, plan, start, members_of(roster), watch, score=score)
        rounds.run(grid)
        return rounds.weights

    return in_runs(server, patience_s, run)


def in_runs(server: Server, patience_s: float, work: Callable[[Grid], _Found]) -> _Found:
    """Do the work in a run; where the SuperLink was away meanwhile, go on in a new one.

    Args:
        patience_s: how long runs may fail one soon after the other.

    Raises:
        StorageError: the server does not run.
        TrainingError: it was away for too long.
    """
    import httpx

    logging.getLogger("flwr").setLevel(logging.CRITICAL)
    running_link(server)
    away = time.monotonic()
    while True:
        began = time.monotonic()
        try:
            with run_of_installed_code(running_link(server)) as grid:
                return work(grid)
        except (httpx.HTTPError, StorageError) as error:
            if (now := time.monotonic()) - began > _STEADY_S:
                away = now
            if now - away > patience_s:
                raise TrainingError(
                    f"the SuperLink was away for {patience_s:.0f} s ({type(error).__name__})",
                    "Run 'confide server status', and the same command again: it goes on after the last round.",
                ) from None
            time.sleep(_REST_S)
