"""Random schedules of faults over a real federation: the training ends with what follows from the kept updates.

CHAOS_FEDERATION says how many. Each is drawn from its number, so that it can be run again, and drawn on until a fault
did happen:
pytest tests/federated/node/test_chaos.py -k 'schedule[17]'
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from federated.plan import Plan
from policies.audit import verify
from policies.policy import Aggregation
from tests.federated.hospitals import ROUNDS, SITES, plan_for
from tests.federated.node.machines import PHASES, Machines

SCHEDULES = int(os.environ.get("CHAOS_FEDERATION", "2"))
LONGEST_CUT_S = 30.0  # beyond 20, a site counts as gone
TRAINING, NETWORK, SUPERVISOR = "training", "network", "supervisor"


@dataclass(frozen=True)
class Fault:
    """What is done to whom a moment after the sites were asked for something in a round."""

    phase: str
    nth: int
    after_s: float
    name: str
    part: str
    lasts_s: float = 0.0


def drawn(chance: random.Random) -> tuple[Aggregation, list[Fault]]:
    """A plan's aggregation, and one to three faults in it."""
    aggregation = chance.choice([Aggregation.SECURE, Aggregation.SECURE, Aggregation.MEAN])
    phases = PHASES if aggregation is Aggregation.SECURE else ("train", "receipt")
    faults = []
    for _ in range(chance.randint(1, 3)):
        name = chance.choice(["server", "server", *SITES])
        if name == "server":
            part = chance.choice([TRAINING, TRAINING, "superlink", SUPERVISOR])
        else:
            part = chance.choice(["supernode", "executor", "executor", SUPERVISOR, NETWORK])
        if part == NETWORK:
            name = chance.choice(["river", "summit"])
        place = (chance.choice(phases), chance.randint(1, ROUNDS))
        faults.append(Fault(*place, chance.uniform(0, 1), name, part, chance.uniform(1, LONGEST_CUT_S)))
    return aggregation, faults


@dataclass
class Training:
    """The ServerApp's process of a plan, which may be killed and is then started again."""

    federation: Machines
    plan: Plan
    process: subprocess.Popen[bytes]

    def suffer(self, fault: Fault) -> bool:
        """Wait for the fault's moment and do it; False where the training is over before it comes."""
        if not self.federation.comes_to(self.plan, fault.phase, fault.nth, self.process):
            return False
        time.sleep(fault.after_s)
        if self.process.poll() is not None:
            return False
        if fault.part == TRAINING:
            self.process.kill()
            self.process.wait()
            self.process = self.federation.rounds(self.plan)
        elif fault.part == SUPERVISOR:
            self.federation.stop(fault.name)
            self.federation.start(fault.name)
        elif fault.part == NETWORK:
            with self.federation.proxies[fault.name].cut():
                time.sleep(fault.lasts_s)
        else:
            self.federation.kill(fault.name, fault.part)
        return True


@pytest.mark.parametrize("number", range(SCHEDULES), ids=lambda number: f"schedule[{number}]")
def test_whoever_is_killed_or_cut_off_whenever_the_plan_ends_and_nothing_is_counted_twice(
    federation: Machines, encoder: Path, number: int
) -> None:
    chance, happened = random.Random(number), list[Fault]()
    while not happened:
        aggregation, faults = drawn(chance)
        seed = chance.getrandbits(31)
        plan = plan_for(encoder, seed=seed, aggregation=aggregation, round_seconds=60, sigma="50.0")
        federation.approve(plan)
        training = Training(federation, plan, federation.rounds(plan))
        happened = [fault for fault in faults if training.suffer(fault)]
        print(f"schedule {number}: {aggregation}, {len(happened)} of {len(faults)} faults", *happened, sep="\n  ")
        federation.finish(plan, training.process)
    federation.check(plan)
    for name in SITES:
        kills = sum(fault.name == name and fault.part in ("executor", SUPERVISOR) for fault in happened)
        assert len(federation.spent(plan, name)) <= ROUNDS + kills
    for name in (*SITES, "server"):
        verify(federation.home(name).audit, federation.keys(name).public)
