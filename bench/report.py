"""What the side-by-side programs share: contestants in processes of their own, turns in pairs, medians and ratios."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.metadata import version
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import perf_counter
from types import TracebackType
from typing import Any

from dashboard.console import progress, say
from policies.telemetry import switch_off

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
class Match:
    """A finished comparison.

    Attributes:
        warm: the pair of turn 0, whose time counts for nothing.
        pairs: the timed ones.
        loaded: MiB that each process had needed at most when it was ready, ours first.
        peaks: the same at the end.
    """

    warm: Pair
    pairs: tuple[Pair, ...]
    loaded: tuple[float, float]
    peaks: tuple[float, float]

    @property
    def added(self) -> tuple[float, float]:
        """MiB by which the turns raised each peak."""
        return self.peaks[0] - self.loaded[0], self.peaks[1] - self.loaded[1]


class Contestant:
    """A process of its own, so that its peak memory is its own; it sleeps while the other has its turn.

    Args:
        build: called in that process with `arguments`; its time is not counted.
    """

    def __init__(self, build: Callable[..., Work], *arguments: Any) -> None:
        context = get_context("spawn")  # a fresh process: nothing of this one's memory is counted
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, build, arguments), daemon=True)
        self._process.start()
        theirs.close()
        self.loaded: float = self._pipe.recv()

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
        self._pipe.send(number)
        return Turn(*self._pipe.recv())

    def peak(self) -> float:
        """MiB of memory that the process has needed at most."""
        self._pipe.send(None)
        return float(self._pipe.recv())


def _serve(pipe: Connection, build: Callable[..., Work], arguments: Sequence[Any]) -> None:
    switch_off()
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


def play(title: str, ours: tuple[Any, ...], peer: tuple[Any, ...], pairs: int) -> Match:
    """Have `pairs` pairs of turns after one warm-up; who begins changes from pair to pair.

    Args:
        ours, peer: what `Contestant` takes.
    """
    with ExitStack() as stack:
        bar = stack.enter_context(progress())
        task = bar.add_task(title, total=pairs + 1)
        sides = [stack.enter_context(Contestant(*side)) for side in (ours, peer)]
        played = []
        for number in range(pairs + 1):
            order = (0, 1) if number % 2 else (1, 0)
            turns = {side: sides[side].turn(number) for side in order}
            played.append(Pair(turns[0], turns[1]))
            bar.advance(task)
        loaded, peaks = [side.loaded for side in sides], [side.peak() for side in sides]
    return Match(played[0], tuple(played[1:]), (loaded[0], loaded[1]), (peaks[0], peaks[1]))


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


def machine() -> dict[str, Any]:
    """Where the numbers come from: cores that this process may use, and versions."""
    packages = {name: version(name) for name in _PACKAGES}
    return {"cores": len(os.sched_getaffinity(0)), "python": platform.python_version(), **packages}


def show_machine() -> None:
    """Print one line about the machine."""
    say(", ".join(f"{name} {value}" for name, value in machine().items()))


def options(description: str, *, export: bool = False) -> argparse.Namespace:
    """Read the command line of a program; `export` for those that can measure on a hospital's own notes."""
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
