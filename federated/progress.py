"""What the server keeps of a run, so that whoever starts it anew goes on after the last finished round.

A round is finished when it stands in the log; what lies on disk of a later one is written again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from safetensors.numpy import load, save

from federated.aggregation import Weights
from federated.plan import Plan, read_plan
from federated.receipt import Receipt, write_receipt
from policies.audit import read_entries
from policies.errors import IntegrityError
from policies.events import Event
from policies.files import canonical_json, sha256_hex, write_whole
from policies.guard import Server
from policies.keys import PublicKey
from policies.workspace import ServerHome

Memory = Mapping[str, Weights]


@dataclass(frozen=True)
class RoundDone:
    """One finished round, for whoever watches.

    Attributes:
        seconds: in all; waited: of them until the sites had trained and answered.
        sites: whose updates were counted.
        sent, received: bytes of messages by site.
        bytes_per_site: the most that one site sent.
    """

    round: int
    rounds: int
    seconds: float
    waited: float
    sites: tuple[str, ...]
    sent: Mapping[str, int]
    received: Mapping[str, int]

    @property
    def bytes_per_site(self) -> int:
        return max(self.received.values(), default=0)


@dataclass(frozen=True)
class Finished:
    """Where a run stands after a round."""

    round: int
    weights: Weights
    memory: Memory


def last_finished(server: Server, plan: Plan) -> Finished | None:
    """The last round that stands in the log, as it lies on disk; None before the first.

    Raises:
        IntegrityError: weights or memory are not those of the log.
    """
    rounds = rounds_in_log(server.home, server.keys.public, plan.digest)
    if not rounds:
        return None
    number, kept = max(rounds), dict[str, bytes]()
    last = rounds[number]
    for what, path in (("weights", server.home.weights), ("memory", server.home.momentum)):
        place = path(plan.digest, number)
        kept[what] = place.read_bytes() if place.exists() else b""
        if sha256_hex(kept[what]) != last[what]:
            raise IntegrityError(f"{place}: not what round {number} ended with", "Restore it from its backup.")
    memory: dict[str, Weights] = {}
    for name, array in load(kept["memory"]).items():
        mean, _, of = name.partition("/")
        memory.setdefault(mean, {})[of] = array
    return Finished(number, load(kept["weights"]), memory)


def rounds_in_log(home: ServerHome, key: PublicKey, plan: str) -> dict[int, Mapping[str, Any]]:
    """What the server's log says of each finished round of a plan, by its number."""
    entries = [entry for entry in read_entries(home.audit, key) if entry.event is Event.ROUND_AGGREGATED]
    return {int(entry.details["round"]): entry.details for entry in entries if entry.details["plan"] == plan}


def weights_after(server: Server, plan: str, round_number: int) -> Weights:
    """The weights of a finished round, as they lie on disk."""
    return load(server.home.weights(plan, round_number).read_bytes())


def keep_round(server: Server, finished: Finished, receipt: Receipt, done: RoundDone) -> None:
    """Write all that a later start needs, and then the log's entry by which the round counts."""
    home, plan, number = server.home, receipt.plan, finished.round
    memory = {f"{mean}/{name}": array for mean, arrays in finished.memory.items() for name, array in arrays.items()}
    written = {"weights": save(finished.weights), "memory": save(memory)}
    write_whole(home.momentum(plan, number), written["memory"])
    write_whole(home.weights(plan, number), written["weights"])
    write_whole(home.receipt(plan, number), write_receipt(server.keys, receipt))
    times = {"seconds": f"{done.seconds:.3f}", "waited": f"{done.waited:.3f}"}
    row = {**asdict(done), **times, "bytes_per_site": done.bytes_per_site}
    rows = [one for one in rounds_done(server, plan) if one["round"] < number] + [row]
    write_whole(home.rounds(plan), b"".join(canonical_json(one) + b"\n" for one in rows))
    server.guard.record(
        Event.ROUND_AGGREGATED,
        plan=plan,
        round=number,
        aggregation=receipt.aggregation,
        updates=dict(sorted(receipt.inputs.items())),
        shortened=list(receipt.shortened),
        left_out=list(receipt.left_out),
        sensitivity=dict(sorted(receipt.sensitivity.items())),
        **{what: sha256_hex(data) for what, data in written.items()},
    )


def rounds_done(server: Server, plan: str) -> list[dict[str, Any]]:
    """Seconds and bytes of each round, oldest first."""
    path = server.home.rounds(plan)
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def unfinished(server: Server, site: str) -> Iterator[tuple[Plan, int]]:
    """Plans that cannot do without a site and have rounds left, with the rounds that are done."""
    for path in sorted(server.home.runs.glob("*/plan.json")):
        plan = read_plan(path)
        done = len(rounds_done(server, plan.digest))
        if plan.needed == len(plan.sites) and site in {share.name for share in plan.sites} and 0 < done < plan.rounds:
            yield plan, done


def next_attempt(server: Server, plan: str, round_number: int) -> int:
    """The number of a new attempt at a secure sum, on disk before it is used: keys serve for one attempt."""
    path = server.home.attempts(plan, round_number)
    number = int(path.read_text("ascii")) + 1 if path.exists() else 1
    write_whole(path, str(number).encode())
    return number
