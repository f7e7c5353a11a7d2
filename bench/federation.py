"""A federation between machines: bytes of a round, and where its time goes, with and without secure aggregation.

A server and three hospitals have folders of their own on this machine; SuperLink, SuperNodes and executors are
processes that speak TLS over loopback, and everything is done by the commands that people type. Both trainings run one
after the other in the same processes, on the same made-up patients. The peer of the bytes is sending the whole model.
"""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, sleep

from bench.report import digits, json_line, ratio_text, start
from dashboard.console import say, table

SITES = ("north", "river", "summit")
PATIENTS, ROUNDS = 60, 20
PATIENTS_QUICK, ROUNDS_QUICK = 20, 3
SMALLEST_COHORT = 5  # so few are for measuring alone
AGGREGATIONS = ("mean", "secure")
_PATIENCE_S = 900.0


@dataclass(frozen=True)
class Round:
    """One finished round.

    Attributes:
        seconds: in all.
        training: at the slowest site, from the booking of the budget to the update's entry in the log.
        transport: what else passed until all sites had answered.
        aggregation: from there to the new weights; under secure aggregation its five exchanges are in it.
        sent: bytes from one site to the server, the most of any site.
    """

    seconds: float
    training: float
    transport: float
    aggregation: float
    sent: int


@dataclass(frozen=True)
class Machines:
    """The folders, with a workspace in each."""

    root: Path

    def confide(self, who: str, *words: str) -> str:
        """Run a command to its end, and return what it said; what it reports is raised."""
        done = subprocess.run(
            self._command(who, words), cwd=self.root, env=_environment(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"confide {' '.join(words)}: {done.stderr or done.stdout}")
        return done.stdout

    def training(self, words: Sequence[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._command("server", words), cwd=self.root, env=_environment(), stdout=subprocess.PIPE, text=True
        )

    def _command(self, who: str, words: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "dashboard", *words, "--workspace", str(self.root / who)]


def run(chosen: Namespace) -> None:
    """Measure, and print tables and, if asked, a line of JSON."""
    patients, rounds = (PATIENTS_QUICK, ROUNDS_QUICK) if chosen.quick else (PATIENTS, ROUNDS)
    with TemporaryDirectory() as folder, federation(Path(folder), patients) as machines:
        found = {name: _trained(machines, name, rounds) for name in AGGREGATIONS}
        whole = _whole_model()
    rows = [
        (name, *(digits(median(getattr(one, part) for one in own)) for part in _PARTS), f"{_sent(own):,}",
         ratio_text(whole / _sent(own)))
        for name, own in found.items()
    ]  # fmt: skip
    columns = ("aggregation", *_PARTS, "bytes of a site", "whole model is")
    table(f"a round of three sites, medians of {rounds - 1}, seconds", columns, rows)
    cost = median(one.seconds for one in found["secure"]) / median(one.seconds for one in found["mean"])
    say(f"a round with secure aggregation takes {ratio_text(cost)} the time; the whole model has {whole:,} bytes")
    if chosen.json:
        medians = {
            name: {part: median(getattr(one, part) for one in own) for part in _PARTS} for name, own in found.items()
        }
        bytes_sent = {name: _sent(own) for name, own in found.items()}
        print(json_line("federation", chosen.quick, seconds=medians, bytes=bytes_sent, whole=whole, secure=cost))


_PARTS = ("seconds", "training", "transport", "aggregation")


@contextmanager
def federation(root: Path, patients: int) -> Iterator[Machines]:
    """Four workspaces, founded, joined, with de-identified data on offer, and their processes running."""
    machines = Machines(root)
    for who in ("server", *SITES):
        machines.confide(who, "init")
    labels = _made_up(root, patients)
    (root / "labels.toml").write_text(f"labels = {labels}\n")
    for site in SITES:
        policy = root / site / "policy.toml"
        policy.write_text(policy.read_text().replace("smallest_cohort = 100", f"smallest_cohort = {SMALLEST_COHORT}"))
        machines.confide(site, "deid", f"export/{site}", f"deid/{site}", "--workers", "1")
    _join(machines)
    started = ["server"]
    try:
        machines.confide("server", "server", "start")
        for site in SITES:
            machines.confide(site, "site", "start")
            started.append(site)
            machines.confide(site, "site", "offer", f"deid/{site}", "--counts", "1")
        yield machines
    finally:
        for who in reversed(started):
            machines.confide(who, "server" if who == "server" else "site", "stop")


def _join(machines: Machines) -> None:
    from federated.node.service import free_port

    founding = ("--name", "bench", "--host", "localhost", "--port", str(free_port()))
    machines.confide("server", "server", "init", *founding)
    for site in SITES:
        machines.confide("server", "server", "invite", site, "--out", f"{site}.invitation")
        machines.confide(site, "site", "init", site)
        machines.confide(site, "site", "join", f"{site}.invitation")
        machines.confide("server", "server", "admit", f"{site}.reply")
    for site in SITES:
        said = machines.confide("server", "server", "invite", site, "--out", f"{site}.invitation")
        machines.confide(site, "site", "join", f"{site}.invitation", "--fingerprint", said.strip().splitlines()[-1])


def _made_up(root: Path, patients: int) -> list[str]:
    from clinical.synthetic import condition_labels, demo_hospitals, write_export

    for hospital in demo_hospitals(patients=patients):
        write_export(root / "export" / hospital.name, hospital)
    return list(condition_labels())


def _trained(machines: Machines, aggregation: str, rounds: int) -> list[Round]:
    words = ["train", "--federation", "bench", "--labels", "labels.toml", "--epsilon", "3", "--rounds", str(rounds)]
    told = ["--aggregation", aggregation, "--study", aggregation, "--wait", str(int(_PATIENCE_S))]
    say(f"training with '{aggregation}' ...")
    training = machines.training([*words, *told])
    plan = _approved(machines, training)
    if training.wait(_PATIENCE_S):
        raise SystemExit("the training failed; see above")
    return _rounds(machines, plan)[1:]  # the first one loads the model


def _approved(machines: Machines, training: subprocess.Popen[str]) -> str:
    """Approve the plan at each site as soon as it is there; returns its digest."""
    from federated.proposals import proposed
    from policies.errors import InputError
    from policies.guard import open_site
    from policies.workspace import Workspace

    before, until = _plans(machines), monotonic() + _PATIENCE_S
    while training.poll() is None and monotonic() < until:
        try:
            digests = {proposed(open_site(Workspace(machines.root / site), site)).digest for site in SITES}
        except InputError:
            digests = set()
        if len(digests) == 1 and not digests & before:
            for site in SITES:
                machines.confide(site, "site", "approve", *digests, "--yes")
            return digests.pop()
        sleep(0.5)
    raise SystemExit("no plan was proposed to every site")


def _plans(machines: Machines) -> set[str]:
    runs = machines.root / "server" / "server" / "runs"
    return {path.name for path in runs.iterdir()} if runs.is_dir() else set()


def _rounds(machines: Machines, plan: str) -> list[Round]:
    from federated.progress import rounds_done
    from policies.guard import open_server
    from policies.workspace import Workspace

    trained = [_training(machines, site, plan) for site in SITES]
    found = []
    for row in rounds_done(open_server(Workspace(machines.root / "server")), plan):
        seconds, waited = float(row["seconds"]), float(row["waited"])
        training = max(own[row["round"]] for own in trained)
        found.append(Round(seconds, training, waited - training, seconds - waited, row["bytes_per_site"]))
    return found


def _training(machines: Machines, site: str, plan: str) -> dict[int, float]:
    """Seconds of each round at a site, by its own log."""
    from policies.audit import read_entries
    from policies.events import Event
    from policies.guard import open_site
    from policies.workspace import Workspace

    opened, began, took = open_site(Workspace(machines.root / site), site), dict[int, datetime](), dict[int, float]()
    for entry in read_entries(opened.home.audit, opened.keys.public):
        if entry.details.get("plan") == plan and entry.event in (Event.BUDGET_SPENT, Event.UPDATE_RELEASED):
            number, at = int(entry.details["round"]), datetime.fromisoformat(entry.time)
            if entry.event is Event.BUDGET_SPENT:
                began[number] = at
            else:
                took[number] = (at - began[number]).total_seconds()
    return took


def _sent(rounds: Sequence[Round]) -> int:
    return int(median(one.sent for one in rounds))


def _whole_model() -> int:
    """Bytes of all weights of the default encoder."""
    from privacy.encoders import find_encoder

    return Path(find_encoder().path, "model.safetensors").stat().st_size


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


if __name__ == "__main__":
    start("Bytes and time of a federation's rounds, over TLS between processes.", run)
