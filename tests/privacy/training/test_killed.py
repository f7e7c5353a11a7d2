"""Trainings in processes of their own, killed by the operating system: the ledger stays right."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from federated.approval import approve
from federated.site_round import plan_classifier, prepare
from policies.audit import read_entries
from policies.events import Entry, Event
from policies.guard import Site
from policies.ledger import State
from privacy.training import budget
from privacy.training.budget import open_ledger
from tests.clinical.encoders import save_encoder
from tests.clinical.notes import WORDS
from tests.federated.hospitals import hospital, new_workspace, set_policy
from tests.privacy.training.rounds import ROUNDS, Trace, count, long_plan, train

KILLS = int(os.environ.get("CHAOS", "20"))
LONGEST_LIFE = 0.6  # seconds; a round takes a tenth
_processes = get_context("forkserver")  # forks from one that has imported everything and computed nothing
_processes.set_forkserver_preload([train.__module__, "peft", "transformers.models.bert.modeling_bert"])

Start = Callable[..., ForkServerProcess]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder(tmp_path_factory.mktemp("killed") / "bert", "bert", WORDS)


@pytest.fixture
def site(tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(budget, "epsilon", count)
    workspace = new_workspace(tmp_path)
    set_policy(workspace, epsilon=10.0 * ROUNDS, most_rounds=ROUNDS)
    made, plan = hospital(workspace), long_plan(encoder)
    approve(made, plan, workspace.deidentified("north"))
    prepare(made, plan, plan_classifier(plan))
    return made


@pytest.fixture
def start(site: Site, encoder: Path, tmp_path: Path) -> Start:
    def begin(first: int, last: int, die: str = "") -> ForkServerProcess:
        process = _processes.Process(target=train, args=(tmp_path, encoder, first, last, die))
        process.start()
        return process

    return begin


def entries(site: Site, event: Event) -> list[Entry]:
    return [entry for entry in read_entries(site.home.audit, site.keys.public) if entry.event is event]


def states(site: Site) -> list[State]:
    return [booking.state for booking in open_ledger(site).bookings()]


@pytest.mark.parametrize(
    ("point", "left", "afterwards"),
    [
        ("reserved", State.RESERVED, [State.REFUNDED, State.SPENT]),
        ("logged", State.RESERVED, [State.SPENT, State.SPENT]),
        ("spent", State.SPENT, [State.SPENT, State.SPENT]),
        ("computed", State.SPENT, [State.SPENT, State.SPENT]),
        ("stored", State.SPENT, [State.SPENT]),
        ("released", State.SPENT, [State.SPENT]),
    ],
)
def test_killed_at_a_point(site: Site, start: Start, point: str, left: State, afterwards: list[State]) -> None:
    dying = start(1, 1, point)
    dying.join(60)
    assert dying.exitcode == -signal.SIGKILL
    assert states(site) == [left]
    again = start(1, 1)
    again.join(60)
    assert again.exitcode == 0
    assert states(site) == afterwards
    assert len(entries(site, Event.UPDATE_RELEASED)) == 1


def test_killed_at_any_time(site: Site, start: Start, tmp_path: Path) -> None:
    """Every gradient has a booking of its own that counts; a kill loses one booking at most; a round is sent once."""
    trace, chance, longest = Trace(tmp_path / "trace"), random.Random(KILLS), LONGEST_LIFE
    for kills in range(1, KILLS + 1):
        done = len(entries(site, Event.UPDATE_RELEASED))
        process = start(max(done, 1), ROUNDS)
        while len(trace.lines("ready")) < kills and process.is_alive():
            time.sleep(0.01)
        time.sleep(chance.uniform(0, longest))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        check(site, trace, kills)
        if len(entries(site, Event.UPDATE_RELEASED)) == done:
            longest *= 1.2  # on a busy machine a round takes longer
    done = len(entries(site, Event.UPDATE_RELEASED))
    assert done > KILLS / 4  # else the processes died before they did anything
    last = start(1, done + 1)
    last.join(120)
    assert last.exitcode == 0
    check(site, trace, KILLS)
    assert State.RESERVED not in states(site)


def check(site: Site, trace: Trace, kills: int) -> None:
    gradients = [int(booking) for (booking,) in trace.lines("gradient")]
    assert len(set(gradients)) == len(gradients)  # no booking serves two gradients
    bookings = {booking.id: booking for booking in open_ledger(site).bookings()}  # which compares it with the log
    logged = {entry.details["booking"] for entry in entries(site, Event.BUDGET_SPENT)}
    refunded = {booking for booking in bookings if bookings[booking].state is State.REFUNDED}
    assert set(gradients) <= logged  # nothing is under-counted
    assert open_ledger(site).spent() >= len(gradients)
    assert len(logged - set(gradients)) <= kills  # nor counted twice
    assert logged.isdisjoint(refunded)
    assert refunded <= {entry.details["booking"] for entry in entries(site, Event.BUDGET_REFUNDED)}
    assert Counter(states(site))[State.RESERVED] <= 1
    sent = {(number, sha256) for number, sha256 in trace.lines("sent")}
    assert len(sent) == len({number for number, _ in sent})  # the same bytes each time
    released = Counter(entry.details["round"] for entry in entries(site, Event.UPDATE_RELEASED))
    assert set(released.values()) <= {1}
