"""Secure aggregation beside a plain mean: the sum alone, and a whole round of ten sites with the default adapter.

All sites and the server work one after the other in one process. What happens between machines is not in the times.
"""

from __future__ import annotations

import tracemalloc
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, TypeVar, cast
from uuid import uuid4

import numpy as np
from flwr.app import Message
from flwr.serverapp import Grid
from numpy.typing import NDArray

from bench.report import Contestant, Match, Work, digits, json_line, medians, play, ratio_text, start
from dashboard.console import say, table
from federated.aggregation import weighted_mean
from federated.asking import Asking
from federated.exchange import Exchange, Node
from federated.messages import Fields, pack_fields, unpack_fields
from federated.secagg import Quantiser, SecureSite, SecureSum, Session, SiteState, Total, known_keys
from federated.secagg.fields import adverts_of, fields_of, message_of
from federated.secagg.messages import Delivery, SumStep, Survivors, UnmaskRequest
from federated.server_sum import Read, SumAttempt
from policies.keys import KeyRing, create_keys

SITES = (3, 10, 20)
LENGTHS = (100_000, 1_000_000)
ROUND_SITES = 10
PAIRS, PAIRS_QUICK = 9, 1
FEW, MANY = 3, 20  # sites, between which the server's memory is compared
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
        self._session, self._server = session, SecureSum(session)
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
        return server.opened().total(self._session, server.masked)

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


class Sites:
    """In the place of Flower's grid: sites that answer when they are read, one after the other."""

    def __init__(self, session: Session, rings: Sequence[KeyRing], update: NDArray[np.float32]) -> None:
        from flwr.supercore.task_identity import TaskIdentity

        TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = 1  # a message says of which run it is
        self._sites = [SecureSite(session, ring) for ring in rings]
        self._states: dict[int, Any] = {}
        self._update, self._asked = update, dict[str, Message]()

    def push_messages(self, messages: Sequence[Message]) -> list[str]:
        (message,) = messages
        message.metadata.__dict__["_message_id"] = identity = str(uuid4())
        self._asked[identity] = message
        return [identity]

    def pull_messages(self, identities: Sequence[str]) -> list[Message]:
        message = self._asked.pop(identities[0])
        plan, fields = unpack_fields(message.content)
        place = message.metadata.dst_node_id - 1
        step = SumStep(message.metadata.message_type.removeprefix("query."))
        self._states[place], answer = self._answer(step, self._sites[place], self._states.get(place), fields)
        return [Message(pack_fields(plan, fields_of(answer)), reply_to=message)]

    def _answer(self, step: SumStep, site: SecureSite, state: Any, fields: Fields) -> tuple[SiteState, Any]:
        match step:
            case SumStep.ADVERTISE:
                return site.advertise()
            case SumStep.SHARE:
                return site.share(state, adverts_of(fields))
            case SumStep.MASK:
                return site.mask(state, message_of(Delivery, fields), self._update, 1 / len(self._sites))
            case SumStep.SIGN:
                return site.sign(state, message_of(Survivors, fields))
            case SumStep.UNMASK:
                return site.unmask(state, message_of(UnmaskRequest, fields))


def server_memory(sites: int, length: int) -> float:
    """MiB that are held at most while a server asks so many sites and adds up; the work of one site at a time is in it.

    All goes through what asks and reads in a real round. Vectors are not written to a disk.
    """
    rings, update = _rings(sites), _updates(1, length)[0]
    keys, plan = {ring.name: ring.public for ring in rings}, "00" * 32
    session = Session("bench", plan, 1, 1, plan, Quantiser(length, NORM_BOUND), known_keys(list(keys), keys))
    nodes = {name: Node(place + 1) for place, name in enumerate(keys)}
    asking = Asking(Exchange(cast(Grid, Sites(session, rings, update)), lambda grid: nodes), say)

    def ask(step: SumStep, asked: Mapping[str, Fields], read: Read) -> None:
        asking.ask_fields(step, plan, asked, read, seconds=600, enough=len(asked))

    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    attempt = SumAttempt(session, ask, lambda name, vector: None)
    attempt.collect(list(keys))
    attempt.sign()
    attempt.unmask()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (peak - before) / (1 << 20)


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
    memory = {sites: server_memory(sites, LENGTHS[-1]) for sites in (FEW, MANY)}
    _show_sums(sums)
    ratios = _show_rounds(rounds)
    held = [f"{digits(mib)} MiB with {sites} sites" for sites, mib in memory.items()]
    say(f"Asking and adding up {LENGTHS[-1]:,} numbers takes at most {', '.join(held)}.")
    if chosen.json:
        figures = {f"{sites} sites, {length} numbers": _figures(match) for (sites, length), match in sums.items()}
        say(json_line("secagg", chosen.quick, sums=figures, round=ratios, server_mib=memory))


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
