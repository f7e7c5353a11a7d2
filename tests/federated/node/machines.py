"""A federation of processes on this machine, which a test may kill and start anew, and what must hold in the end."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import which

import numpy as np
from safetensors.numpy import load, load_file, save

from clinical.classifier import trained_weights
from federated.aggregation import Weights
from federated.approval import approve
from federated.node.link import Link, online_nodes
from federated.node.pace import Pace
from federated.node.service import free_port, running_link
from federated.node.state import read_state
from federated.parties import SIMULATED_SITES
from federated.plan import Plan
from federated.receipt import read_receipt
from federated.site_round import plan_classifier, prepare
from policies.audit import read_entries
from policies.events import Entry, Event
from policies.files import canonical_json
from policies.keys import KeyRing
from policies.ledger import State
from policies.workspace import Home
from privacy.training.budget import open_ledger
from tests.clinical.notes import cohort
from tests.federated.hospitals import PATIENTS, SITES, release
from tests.federated.node.proxy import Proxy
from tests.federated.provision.joining import Joined, all_joined

_NOT_OURS = {"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", SIMULATED_SITES}
_HOST = "127.0.0.2"  # of this machine, and yet none that a proxy is spared for
BEHIND_A_PROXY = ("river", "summit")
PHASES = ("train", "advertise", "share", "mask", "sign", "unmask", "receipt")
LONGEST_S = 200
HERE = Path(__file__).parent
PARTIES = ("server", *SITES)


def apart(hidden: Iterable[Path]) -> list[str]:
    """Words before a command that let it run in user and mount namespaces of its own, where these folders are empty."""
    mounts = "".join(f"mount -t tmpfs -o ro none {shlex.quote(str(one))} && " for one in hidden)
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounts + 'exec "$@"', "sh"]


@cache
def can_be_apart() -> bool:
    """Whether namespaces can be made here by root, which is who everybody is inside, and whom the policies name."""
    if os.getuid() or not which("unshare"):
        return False
    return subprocess.run([*apart([HERE]), "true"], check=False, capture_output=True).returncode == 0


@dataclass(frozen=True)
class Machines:
    """Attributes:
    proxies: on the way out of those sites that have one.
    started: the supervisors, by name.
    """

    joined: Joined
    flower_home: Path
    proxies: Mapping[str, Proxy]
    started: dict[str, subprocess.Popen[bytes]]

    @property
    def link(self) -> Link:
        return running_link(self.joined.server)

    def entries(self, name: str) -> list[Entry]:
        return read_entries(self.home(name).audit, self.keys(name).public)

    def events(self, name: str) -> list[Event]:
        return [entry.event for entry in self.entries(name)]

    def approve(self, plan: Plan, *names: str) -> None:
        classifier = plan_classifier(plan)
        for name in names or SITES:
            approve(self.joined.site(name), plan, self.joined.workspace(name).deidentified(name))
            prepare(self.joined.site(name), plan, classifier)

    def python(
        self, *words: str, party: str = "", proxy: str = "", output: int | None = None
    ) -> subprocess.Popen[bytes]:
        """A process of one of the parties, which sees no other's folder where there are namespaces; or of nobody."""
        environment = {name: value for name, value in os.environ.items() if name.upper() not in _NOT_OURS}
        environment |= {"FLWR_HOME": str(self.flower_home), "OMP_NUM_THREADS": "1"}
        environment |= {"HTTPS_PROXY": proxy} if proxy else {}
        hidden = [self.joined.workspace(other).root for other in PARTIES if party and other != party]
        before = apart(hidden) if hidden and can_be_apart() else []
        command, errors = [*before, sys.executable, "-P", *words], subprocess.STDOUT if output else None
        return subprocess.Popen(command, env=environment, cwd=self.joined.root, stdout=output, stderr=errors)

    def start(self, name: str) -> None:
        """The command of the server or of a site, from a folder where nothing of ours lies."""
        words = ["server", "start", "--listen", _HOST] if name == "server" else ["site", "start"]
        workspace = ["--foreground", "--workspace", str(self.joined.workspace(name).root)]
        proxy = self.proxies[name].url if name in self.proxies else ""
        self.started[name] = self.python("-m", "dashboard", *words, *workspace, party=name, proxy=proxy)

    def rounds(self, plan: Plan) -> subprocess.Popen[bytes]:
        """The ServerApp's process, with a plan that was agreed on."""
        folder = self._folder(plan)
        folder.mkdir(exist_ok=True)
        (folder / "plan.json").write_bytes(canonical_json(plan.model_dump(mode="json")))
        (folder / "start.safetensors").write_bytes(save(start_of(plan)))
        words = (str(HERE / "rounds.py"), str(self.joined.workspace("server").root), str(folder))
        return self.python(*words, party="server")

    def comes_to(self, plan: Plan, phase: str, times: int, rounds: subprocess.Popen[bytes]) -> bool:
        """Wait until the sites were asked so often for something, or the process ended before."""
        notes = self._folder(plan) / "phases"
        while rounds.poll() is None:
            if notes.exists() and notes.read_text().split().count(phase) >= times:
                return True
            time.sleep(0.05)
        return False

    def forget_phases(self, plan: Plan) -> None:
        (self._folder(plan) / "phases").unlink(missing_ok=True)

    def finish(self, plan: Plan, rounds: subprocess.Popen[bytes], ended: tuple[int, ...] = (-9,)) -> None:
        """Let a plan go on to its end, with the same command again where it ended before with one of these codes.

        A site that was away in the end gets the last receipt when the command is given once more.
        """
        while (code := rounds.wait(LONGEST_S)) != 0:
            assert code in ended
            rounds = self.rounds(plan)
        if not all(self.joined.site(name).home.receipt(plan.digest, plan.rounds).exists() for name in SITES):
            wait_for(self.whole)
            assert self.rounds(plan).wait(LONGEST_S) == 0

    def kill(self, name: str, child: str) -> None:
        """End a process of a supervisor the hard way, as soon as it runs, and wait until it is gone; it starts anew."""

        def pid() -> int | None:
            state = read_state(self.home(name).federation)
            (found,) = [one.pid for one in state.children if one.name == child] if state else [None]
            return found

        wait_for(lambda: pid() is not None)
        killed = pid()
        assert killed
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: pid() != killed)

    def stop(self, name: str, number: int = signal.SIGKILL) -> None:
        """End a supervisor, and with it its processes."""
        self.started[name].send_signal(number)
        self.started[name].wait(40)

    def keys(self, name: str) -> KeyRing:
        return self.joined.server.keys if name == "server" else self.joined.site(name).keys

    def home(self, name: str) -> Home:
        return self.joined.server.home if name == "server" else self.joined.site(name).home

    def whole(self) -> bool:
        """Whether every process is well and every site connected."""
        states = [read_state(self.home(name).federation) for name in self.started]
        return all(state and state.healthy for state in states) and sum(online_nodes(self.link).values()) == len(SITES)

    def _folder(self, plan: Plan) -> Path:
        return self.joined.root / f"plan-{plan.digest[:16]}"

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
            said = [e.details["round"] for e in of_plan if e.event is Event.BUDGET_SPENT]
            assert sorted(said) == self.spent(plan, site)
            assert set(said) == set(released)

    def spent(self, plan: Plan, site: str) -> list[int]:
        bookings = [one for one in open_ledger(self.joined.site(site)).bookings() if one.plan == plan.digest]
        assert State.RESERVED not in {one.state for one in bookings}
        return sorted(one.round for one in bookings if one.state is State.SPENT)

    def update(self, site: str, plan: Plan, number: int) -> Weights:
        return load(self.joined.site(site).home.update(plan.digest, number).read_bytes())


def start_of(plan: Plan) -> Weights:
    return trained_weights(plan_classifier(plan))


@contextmanager
def machines(root: Path) -> Iterator[Machines]:
    """Server and sites, up to when they are connected; in the end each ends as it should."""
    joined = all_joined(root, _HOST, free_port())
    for name in SITES:
        release(joined.workspace(name), name, cohort(PATIENTS, name[0]))
    made = Machines(joined, root / "flower", {name: Proxy() for name in BEHIND_A_PROXY}, {})
    try:
        made.start("server")
        wait_for(lambda: bool((state := read_state(joined.server.home.federation)) and state.healthy))
        for name in SITES:
            made.start(name)
        wait_for(made.whole)
        yield made
    finally:
        for process in made.started.values():
            process.terminate()
        assert {process.wait(40) for process in made.started.values()} == {0}
        for proxy in made.proxies.values():
            proxy.shutdown()
            proxy.server_close()


def wait_for(condition: Callable[[], bool], seconds: float = LONGEST_S) -> None:
    until, pace = time.monotonic() + seconds, Pace(shortest_s=0.05, longest_s=0.5)  # asking costs the machine as well
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(pace.next())
