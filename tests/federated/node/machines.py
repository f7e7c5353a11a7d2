"""A federation of processes on this machine, which a test may kill and start anew, and what must hold in the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load, load_file, save

from clinical.classifier import trained_weights
from federated.aggregation import Weights
from federated.approval import approve
from federated.node.link import Link, online_nodes
from federated.node.service import free_port, running_link
from federated.node.state import read_state
from federated.parties import SIMULATED_SITES
from federated.plan import Plan
from federated.receipt import read_receipt
from federated.site_round import plan_classifier, prepare
from policies.audit import read_entries
from policies.events import Entry, Event
from policies.files import canonical_json
from policies.ledger import State
from policies.workspace import Home
from privacy.training.budget import open_ledger
from tests.clinical.notes import cohort
from tests.federated.hospitals import PATIENTS, SITES, release
from tests.federated.provision.joining import Joined, all_joined

_NOT_OURS = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", SIMULATED_SITES)
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Machines:
    joined: Joined
    flower_home: Path

    @property
    def link(self) -> Link:
        return running_link(self.joined.server)

    def entries(self, name: str) -> list[Entry]:
        who = self.joined.server if name == "server" else self.joined.site(name)
        return read_entries(who.home.audit, who.keys.public)

    def events(self, name: str) -> list[Event]:
        return [entry.event for entry in self.entries(name)]

    def approve(self, plan: Plan, *names: str) -> None:
        classifier = plan_classifier(plan)
        for name in names or SITES:
            approve(self.joined.site(name), plan, self.joined.workspace(name).deidentified(name))
            prepare(self.joined.site(name), plan, classifier)

    def python(self, *words: str) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
        environment |= {"FLWR_HOME": str(self.flower_home), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen([sys.executable, "-P", *words], env=environment, cwd=self.joined.root)

    def start(self, home: Home) -> subprocess.Popen[bytes]:
        """The command of the server or of a site, from a folder where nothing of ours lies."""
        words = ["server", "start", "--listen", "127.0.0.1"] if home.name == "server" else ["site", "start"]
        workspace = ["--foreground", "--workspace", str(self.joined.workspace(home.name).root)]
        return self.python("-m", "dashboard", *words, *workspace)

    def rounds(self, plan: Plan) -> subprocess.Popen[bytes]:
        """The ServerApp's process, with a plan that was agreed on."""
        root = self.joined.root
        (root / "plan.json").write_bytes(canonical_json(plan.model_dump(mode="json")))
        (root / "start.safetensors").write_bytes(save(start_of(plan)))
        return self.python(str(HERE / "rounds.py"), str(self.joined.workspace("server").root), str(root))

    def kill(self, name: str, child: str) -> None:
        """End a process of a supervisor the hard way; it is started anew."""
        home = self.joined.server.home if name == "server" else self.joined.site(name).home
        state = read_state(home.federation)
        assert state
        for one in state.children:
            if one.name == child and one.pid:
                os.kill(one.pid, signal.SIGKILL)

    def check(self, plan: Plan) -> None:
        """Every site's update was counted once a round, and the model is what follows from them."""
        server = self.joined.server
        kept = {site: [self.update(site, plan, n) for n in range(1, plan.rounds + 1)] for site in SITES}
        weights = start_of(plan)
        velocity = {name: np.zeros_like(array) for name, array in weights.items()}
        for number in range(1, plan.rounds + 1):
            document = server.home.receipt(plan.digest, number).read_bytes()
            receipt = read_receipt(server.keys.public, document)
            assert set(receipt.inputs) == set(SITES)
            for name in weights:
                mean = sum(float(plan.share(site).weight) * kept[site][number - 1][name] for site in SITES)
                velocity[name] = plan.momentum * velocity[name] + mean
                weights[name] = weights[name] - plan.learning_rate * velocity[name]
        final = load_file(server.home.weights(plan.digest, plan.rounds))
        for name in weights:
            np.testing.assert_allclose(final[name], weights[name], atol=1e-4)
        for site in SITES:
            of_plan = [entry for entry in self.entries(site) if entry.details.get("plan") == plan.digest]
            released = [e.details["round"] for e in of_plan if e.event is Event.UPDATE_RELEASED]
            assert released == list(range(1, plan.rounds + 1))
            checked = [e.details["counted"] for e in of_plan if e.event is Event.RECEIPT_CHECKED]
            assert checked == [True] * plan.rounds

    def spent(self, plan: Plan, site: str) -> list[int]:
        bookings = open_ledger(self.joined.site(site)).bookings()
        return sorted(one.round for one in bookings if one.plan == plan.digest and one.state is State.SPENT)

    def update(self, site: str, plan: Plan, number: int) -> Weights:
        return load(self.joined.site(site).home.update(plan.digest, number).read_bytes())


def start_of(plan: Plan) -> Weights:
    return trained_weights(plan_classifier(plan))


@contextmanager
def machines(root: Path) -> Iterator[Machines]:
    joined = all_joined(root, port=free_port())
    for name in SITES:
        release(joined.workspace(name), name, cohort(PATIENTS, name[0]))
    made = Machines(joined, root / "flower")
    homes = [joined.server.home, *(joined.site(name).home for name in SITES)]
    started = [made.start(home) for home in homes]

    def all_online() -> bool:
        assert all(process.poll() is None for process in started)
        states = [read_state(home.federation) for home in homes]
        healthy = all(state and state.healthy for state in states)
        return healthy and sum(online_nodes(made.link).values()) == len(SITES)

    try:
        wait_for(all_online)
        yield made
    finally:
        for process in started:
            process.terminate()
        assert [process.wait(40) for process in started] == [0] * len(started)


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.1)
