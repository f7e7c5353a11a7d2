"""Secure aggregation beside a plain mean: the sum alone, and a whole round of ten sites with the default adapter.

All sites and the server work one after the other in one process. What happens between machines is not in the times.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.report import Contestant, Match, Work, digits, json_line, medians, play, ratio_text, start
from dashboard.console import say, table
from federated.aggregation import weighted_mean
from federated.secagg import Quantiser, SecureSite, SecureSum, Session, SiteState, Total, known_keys
from policies.keys import KeyRing, create_keys

SITES = (3, 10, 20)
LENGTHS = (100_000, 1_000_000)
ROUND_SITES = 10
PAIRS, PAIRS_QUICK = 9, 1
NORM_BOUND = 10.0
SEED = 1

Answer = TypeVar("Answer")
Updates = list[NDArray[np.float32]]


@dataclass(frozen=True)
class Secured:
    """One attempt.

    Attributes:
        seconds, site, server: of all together, of the slowest site, and of the server.
        sent, received: bytes of one site, without the weights that the server sends in any case.
        error: the largest error of a number of the sum, as a share of the stated bound.
    """

    seconds: float
    site: float
    server: float
    sent: int
    received: int
    error: float


@dataclass(frozen=True)
class Round:
    """One site's private step, in seconds, then so many numbers summed both ways.

    The step is the same with both, so it is timed once. Reading and booking at the sites, and transport, are left out:
    the ratios are higher than those of whole rounds on one machine.
    """

    length: int
    step: float
    secure: Secured
    plain: float

    @property
    def in_turns(self) -> float:
        """The ratio where one machine does the work of all sites."""
        steps = ROUND_SITES * self.step
        return (steps + self.secure.seconds) / (steps + self.plain)

    @property
    def apart(self) -> float:
        """The ratio where each site has a machine: its step, the slowest site, the server."""
        return (self.step + self.secure.site + self.secure.server) / (self.step + self.plain)


class Attempt:
    """Sites and server in one process, each site with its own clock."""

    def __init__(self, session: Session, rings: Sequence[KeyRing]) -> None:
        self._server = SecureSum(session)
        self._sites = [SecureSite(session, ring) for ring in rings]
        self._states: list[SiteState] = []
        self.seconds = [0.0] * len(rings)
        self.sent = self.received = 0

    def run(self, updates: Updates, weight: float) -> Total:
        """All five rounds; the state of each site is packed and unpacked in between, as on a disk."""
        server = self._server
        first = [self._timed(place, site.advertise) for place, site in enumerate(self._sites)]
        self._states = [state for state, _ in first]
        for _, advert in first:
            server.add_advert(advert)
        self.sent += _bytes(first[0][1])
        adverts = server.adverts()
        self._all(lambda place: adverts, SecureSite.share, server.add_shares)
        mail = server.deliveries()
        self._all(
            mail.__getitem__,
            lambda site, state, delivery: site.mask(state, delivery, updates[site.place], weight),
            server.add_input,
        )
        survivors = server.survivors()
        self._all(lambda place: survivors, SecureSite.sign, server.add_signature)
        request = server.request()
        self._all(lambda place: request, SecureSite.unmask, server.add_reveal)
        return server.total()

    def _all(
        self,
        message_for: Callable[[int], Any],
        step: Callable[[SecureSite, SiteState, Any], tuple[SiteState, Any]],
        add: Callable[[Any], None],
    ) -> None:
        """One round: a message to each site, and its answer to the server."""
        for place, site in enumerate(self._sites):
            message = message_for(place)

            def answer(place: int = place, site: SecureSite = site, message: Any = message) -> tuple[SiteState, Any]:
                return step(site, SiteState.unpack(self._states[place].pack()), message)

            self._states[place], reply = self._timed(place, answer)
            if place == 0:
                self.received += _bytes(message)
                self.sent += _bytes(reply)
            add(reply)

    def _timed(self, place: int, work: Callable[[], Answer]) -> Answer:
        began = perf_counter()
        answer = work()
        self.seconds[place] += perf_counter() - began
        return answer


def _bytes(message: Any) -> int:
    """Bytes in a message, without its framing."""
    if isinstance(message, bytes):
        return len(message)
    if isinstance(message, dict):
        return sum(map(_bytes, message.values()))
    if isinstance(message, tuple):
        return sum(map(_bytes, message))
    return _bytes(asdict(message)) if hasattr(message, "__dataclass_fields__") else 0


def secure(sites: int, length: int) -> Work:
    """The weighted sum by secure aggregation."""
    rings, updates = _rings(sites), _updates(sites, length)
    weight = 1 / sites
    true = sum(weight * update.astype(np.float64) for update in updates)

    def work(number: int) -> Secured:
        began = perf_counter()
        keys = {ring.name: ring.public for ring in rings}
        quantiser = Quantiser(length, NORM_BOUND)
        session = Session("bench", "00" * 32, 1, number + 1, "00" * 32, quantiser, known_keys(list(keys), keys))
        attempt = Attempt(session, rings)
        total = attempt.run(updates, weight)
        took = perf_counter() - began
        error = float(np.abs(total.update - true).max()) / quantiser.error(sites)
        server = took - sum(attempt.seconds)
        return Secured(took, max(attempt.seconds), server, attempt.sent, attempt.received, error)

    return work


def plain(sites: int, length: int) -> Work:
    """The weighted mean that a server takes without it, and its seconds."""
    updates = _updates(sites, length)

    def work(_: int) -> float:
        began = perf_counter()
        weighted_mean([(1 / sites, {"update": update}) for update in updates])
        return perf_counter() - began

    return work


def whole_round() -> Work:
    """A private step of a site with the default adapter, then the sum of so many sites both ways."""
    from bench.training import private_step

    length = adapter_length()
    step, ours, peer = private_step(), secure(ROUND_SITES, length), plain(ROUND_SITES, length)

    def work(number: int) -> Round:
        began = perf_counter()
        step(number)
        stepped = perf_counter() - began
        return Round(length, stepped, ours(number), peer(number))

    return work


def adapter_length() -> int:
    """Numbers in the update of the default adapter, with the labels of the training bench."""
    from bench.training import LABELS, LAYERS, RANK, SCALE, WINDOW
    from clinical.encoder import Design, build_classifier
    from privacy.encoders import find_encoder

    titles = tuple(f"label {number}" for number in range(LABELS))
    classifier = build_classifier(find_encoder(), Design(titles, LAYERS, RANK, SCALE, SEED, WINDOW, 1, 0.0, False))
    return sum(part.numel() for part in classifier.tail.trained().values())


def _rings(sites: int) -> list[KeyRing]:
    with TemporaryDirectory() as folder:
        return [create_keys(Path(folder, str(place)), f"site {place}") for place in range(sites)]


def _updates(sites: int, length: int) -> Updates:
    """Updates of norm 1; what they say changes no time."""
    random = np.random.default_rng(SEED)
    drawn = [random.standard_normal(length) for _ in range(sites)]
    return [(update / np.linalg.norm(update)).astype(np.float32) for update in drawn]


def run(chosen: Namespace) -> None:
    """Compare, and print tables and, if asked, a line of JSON."""
    pairs = PAIRS_QUICK if chosen.quick else PAIRS
    sums = {}
    for sites in SITES:
        for length in LENGTHS:
            with Contestant(secure, sites, length) as ours, Contestant(plain, sites, length) as peer:
                sums[sites, length] = play(f"{sites} sites, {length:,} numbers", ours, peer, pairs)
    with Contestant(whole_round) as contestant:
        contestant.ready()
        rounds = [contestant.turn(number).result for number in range(pairs + 1)][1:]
    _show_sums(sums)
    ratios = _show_rounds(rounds)
    if chosen.json:
        figures = {f"{sites} sites, {length} numbers": _figures(match) for (sites, length), match in sums.items()}
        say(json_line("secagg", chosen.quick, sums=figures, round=ratios))


def _figures(match: Match) -> dict[str, Any]:
    return {"seconds": medians(match.pairs), "secure": middle(match), "memory_mib": [match.ours, match.peer]}


def middle(match: Match) -> Secured:
    """The attempt that took the median time."""
    done: list[Secured] = sorted((pair.ours.result for pair in match.pairs), key=lambda one: one.seconds)
    return done[len(done) // 2]


def _show_sums(sums: dict[tuple[int, int], Match]) -> None:
    rows = []
    for (sites, length), match in sums.items():
        time, one = medians(match.pairs), middle(match)
        rows.append(
            (
                f"{sites}, {length:,}",
                *(digits(1000 * seconds) for seconds in (time.ours, one.site, one.server, time.peer)),
                ratio_text(time.ratio),
                f"{one.sent:,}",
                f"{one.received:,}",
                f"{one.error:.2f}",
            )
        )
    heads = ("sites, numbers", "all, ms", "a site, ms", "server, ms", "plain, ms", "ratio", "sent", "received", "error")
    table("The sum alone, medians of pairs", heads, rows)


def _show_rounds(rounds: Sequence[Round]) -> dict[str, float]:
    step, ours, peer = (
        digits(median(seconds))
        for seconds in zip(*((one.step, one.secure.seconds, one.plain) for one in rounds), strict=True)
    )
    say(
        f"{ROUND_SITES} sites, {rounds[0].length:,} numbers: a private step takes {step} s, secure aggregation {ours} s"
    )
    say(f"for all sites and the server together, the plain mean {peer} s.")
    ratios = {
        "all on one machine, in turns": median(one.in_turns for one in rounds),
        "a machine for each site": median(one.apart for one in rounds),
    }
    rows = [(where, ratio_text(ratio)) for where, ratio in ratios.items()]
    table(f"A round of {ROUND_SITES} sites, secure beside plain, medians", ("", "ratio"), rows)
    return ratios


if __name__ == "__main__":
    start("Secure aggregation beside a plain mean.", run)
