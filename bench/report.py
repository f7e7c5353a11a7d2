"""What the side-by-side programs share: contestants in processes of their own, turns in pairs, medians and ratios."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import perf_counter
from types import TracebackType
from typing import Any, Protocol

from dashboard.console import progress, report, say
from policies.errors import ConfideError
from policies.network import call_nobody

_PACKAGES = ("torch", "opacus", "presidio-analyzer")
_KIB_PER_MIB = 1024

Work = Callable[[int], Any]
"""One turn of a contestant: from the turn's number to what it gave. Turn 0 is a warm-up that is not timed."""


@dataclass(frozen=True)
class Turn:
    """One turn of one contestant: seconds it took, and what it gave."""

    seconds: float
    result: Any


@dataclass(frozen=True)
class Pair:
    """Our turn and the peer's, one right after the other."""

    ours: Turn
    peer: Turn


@dataclass(frozen=True)
class Medians:
    """What pairs say together.

    Attributes:
        ours, peer: median seconds of a turn.
        ratio: median of ours / peer within each pair, which a machine that is slow for a while disturbs less than a
            ratio of medians.
    """

    pairs: int
    ours: float
    peer: float
    ratio: float


@dataclass(frozen=True)
class Memory:
    """Of one contestant, in MiB: the most that its process ever held, and how much of that its turns added."""

    peak: float
    added: float


@dataclass(frozen=True)
class Match:
    """A finished comparison; `warm` is the pair of turn 0, whose time counts for nothing."""

    warm: Pair
    pairs: tuple[Pair, ...]
    ours: Memory
    peer: Memory


class Side(Protocol):
    """One of the two that are compared, in a process of its own."""

    def ready(self) -> None:
        """Wait until it is built."""
        ...

    def turn(self, number: int) -> Turn:
        """Have one turn."""
        ...

    def memory(self) -> Memory:
        """What it needed so far."""
        ...


class Contestant:
    """A process of its own, so that its peak memory is its own; it sleeps while another has its turn.

    Args:
        build: called in that process with `arguments`; its time is not counted.
    """

    def __init__(self, build: Callable[..., Work], *arguments: Any) -> None:
        context = get_context("spawn")  # a fresh process: nothing of this one's memory is counted
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, build, arguments), daemon=True)
        self._process.start()
        theirs.close()
        self._loaded = 0.0

    def __enter__(self) -> Contestant:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pipe.close()
        self._process.join()

    def turn(self, number: int) -> Turn:
        """Have one turn.

        Raises:
            EOFError: the process died; its own message stands on standard error.
        """
        return Turn(*self._ask(number))

    def memory(self) -> Memory:
        """What it needed so far."""
        peak = float(self._ask(None))
        return Memory(peak, peak - self._loaded)

    def ready(self) -> None:
        """Wait until it is built, so that nobody loads while another is timed."""
        if not self._loaded:
            self._loaded = float(self._pipe.recv())

    def _ask(self, number: int | None) -> Any:
        self._pipe.send(number)
        return self._pipe.recv()


def _serve(pipe: Connection, build: Callable[..., Work], arguments: Sequence[Any]) -> None:
    call_nobody()
    work = build(*arguments)
    pipe.send(_peak())
    while True:
        try:
            number = pipe.recv()
        except EOFError:
            return
        if number is None:
            pipe.send(_peak())
            continue
        started = perf_counter()
        result = work(number)
        pipe.send((perf_counter() - started, result))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB_PER_MIB


def play(title: str, ours: Side, peer: Side, pairs: int) -> Match:
    """Have `pairs` pairs of turns after one warm-up; who begins changes from pair to pair."""
    for side in (ours, peer):
        side.ready()
    with progress() as bar:
        task = bar.add_task(title, total=pairs + 1)
        played = []
        for number in range(pairs + 1):
            turns = {side: side.turn(number) for side in ((ours, peer) if number % 2 else (peer, ours))}
            played.append(Pair(turns[ours], turns[peer]))
            bar.advance(task)
    return Match(played[0], tuple(played[1:]), ours.memory(), peer.memory())


def medians(pairs: Sequence[Pair]) -> Medians:
    """Medians over pairs.

    Raises:
        ValueError: there is no pair, or a turn took no time.
    """
    if not pairs or any(min(pair.ours.seconds, pair.peer.seconds) <= 0 for pair in pairs):
        raise ValueError("medians need at least one pair, and turns that took time")
    return Medians(
        len(pairs),
        median(pair.ours.seconds for pair in pairs),
        median(pair.peer.seconds for pair in pairs),
        median(pair.ours.seconds / pair.peer.seconds for pair in pairs),
    )


def digits(value: float, most: int = 3) -> str:
    """A number with `most` digits that say something, and never an exponent: 0.0812, 1.16, 12.3, 1234."""
    if value == 0 or not math.isfinite(value):
        return str(value)
    places = most - 1 - math.floor(math.log10(abs(value)))
    return f"{value:.{max(places, 0)}f}"


def ratio_text(ratio: float) -> str:
    """A ratio as people read it: 1.16x."""
    return f"{digits(ratio)}x"


def memory_rows(match: Match) -> list[tuple[str, str, str, str]]:
    """Rows of a table: peak memory with its ratio, and what the turns added."""
    ours, peer = match.ours, match.peer
    return [
        ("peak memory, MiB", f"{ours.peak:.0f}", f"{peer.peak:.0f}", ratio_text(ours.peak / peer.peak)),
        ("of it added by the work, MiB", digits(ours.added), digits(peer.added), ""),
    ]


def machine() -> dict[str, Any]:
    """Where the numbers come from: cores that this process may use, and versions."""
    packages = {name: version(name) for name in _PACKAGES}
    return {"cores": len(os.sched_getaffinity(0)), "python": platform.python_version(), **packages}


def start(description: str, *programs: Callable[[argparse.Namespace], None], export: bool = False) -> None:
    """Read the command line, name the machine and run programs; what is wrong with the input is said in a sentence.

    Args:
        export: whether one of them can measure on a hospital's own notes.
    """
    chosen = _options(description, export)
    say(", ".join(f"{name} {value}" for name, value in machine().items()))
    try:
        for program in programs:
            program(chosen)
    except ConfideError as error:
        raise SystemExit(report(error)) from None


def _options(description: str, export: bool) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="few pairs: a look, not a measurement")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    if export:
        parser.add_argument("--export", type=Path, metavar="FOLDER", help="a FHIR export; the demo's notes without it")
    return parser.parse_args()


def json_line(program: str, quick: bool, **figures: Any) -> str:
    """One line of JSON; dataclasses among the figures become objects."""
    body = {"program": program, "quick": quick, "machine": machine(), **figures}
    return json.dumps(body, default=asdict, sort_keys=True)
