"""One attempt played in this process, round by round, so that a test can lose or change what crosses."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from federated.secagg import Quantiser, SecureSite, SecureSum, Session, SiteState, Total, known_keys
from federated.secagg.messages import Advert, Delivery, Survivors, UnmaskRequest
from policies.keys import KeyRing, create_keys

LENGTH, BOUND = 4, 8.0
NAMES = ("north", "river", "summit", "alder", "birch", "cedar", "elm", *(f"site{number}" for number in range(7, 20)))


@cache
def ring(name: str) -> KeyRing:
    with TemporaryDirectory() as folder:
        return create_keys(Path(folder), name)


def session_of(count: int, **changes: object) -> Session:
    keys = {name: ring(name).public for name in NAMES[:count]}
    values = {
        "federation": "lakes",
        "plan": "ab" * 32,
        "round": 3,
        "attempt": 1,
        "model": "cd" * 32,
        "quantiser": Quantiser(LENGTH, BOUND),
        "sites": known_keys(NAMES[:count], keys),
    }
    return Session(**{**values, **changes})  # type: ignore[arg-type]


def updates_of(count: int) -> list[NDArray[np.float32]]:
    return [np.linspace(-1, (1 + place) / 8, LENGTH).astype(np.float32) for place in range(count)]


class Attempt:
    """Sites and server of one attempt; each round takes the places of those that drop out before it."""

    def __init__(
        self, session: Session, updates: list[NDArray[np.float32]], before: dict[int, SiteState] | None = None
    ):
        self.session, self.updates = session, updates
        self.weights = [(place + 1) / 32 for place in range(len(session.sites))]
        self.sites = {place: SecureSite(session, ring(key.name)) for place, key in enumerate(session.sites)}
        self.server = SecureSum(session)
        self.before = before or {}
        self.states: dict[int, SiteState] = {}

    def advertise(self, *lost: int) -> tuple[Advert, ...]:
        for place, site in self._without(lost).items():
            self.states[place], advert = site.advertise(self.before.get(place))
            self.server.add_advert(advert)
        return self.server.adverts()

    def share(self, *lost: int) -> dict[int, Delivery]:
        adverts = self.advertise() if not self.states else tuple(self.server._adverts.values())
        for place, site in self._without(lost).items():
            state, shares = site.share(self.kept(place), adverts)
            self.states[place] = state
            self.server.add_shares(shares)
        return self.server.deliveries()

    def mask(self, deliveries: dict[int, Delivery], *lost: int) -> Survivors:
        for place, site in self._without(lost).items():
            update, weight = self.updates[place], self.weights[place]
            state, masked = site.mask(self.kept(place), deliveries[place], update, weight)
            self.states[place] = state
            self.server.add_input(masked)
        return self.server.survivors()

    def sign(self, survivors: Survivors, *lost: int) -> UnmaskRequest:
        for place, site in self._without(lost).items():
            state, signed = site.sign(self.kept(place), survivors)
            self.states[place] = state
            self.server.add_signature(signed)
        return self.server.request()

    def unmask(self, request: UnmaskRequest, *lost: int) -> Total:
        for place, site in self._without(lost).items():
            state, reveal = site.unmask(self.kept(place), request)
            self.states[place] = state
            self.server.add_reveal(reveal)
        return self.server.opened().total(self.session, self.server.masked)

    def kept(self, place: int) -> SiteState:
        """The state as it comes back from the disk."""
        return SiteState.unpack(self.states[place].pack())

    def _without(self, lost: tuple[int, ...]) -> dict[int, SecureSite]:
        for place in lost:
            del self.sites[place]
        return self.sites


def play(attempt: Attempt, lost: tuple[int, ...] = (), round: int | None = None) -> Total:
    """All five rounds; `lost` drop out before they answer in `round`."""
    gone = [lost if number == round else () for number in range(5)]
    attempt.advertise(*gone[0])
    deliveries = attempt.share(*gone[1])
    survivors = attempt.mask(deliveries, *gone[2])
    return attempt.unmask(attempt.sign(survivors, *gone[3]), *gone[4])


def masked(count: int = 4, *lost: int, **changes: object) -> tuple[Attempt, Survivors]:
    """An attempt in which all but the lost sent their input."""
    attempt = Attempt(session_of(count, **changes), updates_of(count))
    attempt.advertise()
    return attempt, attempt.mask(attempt.share(), *lost)


def signed(count: int = 4, *lost: int) -> tuple[Attempt, UnmaskRequest]:
    """An attempt in which all but the lost sent their input, and signed."""
    attempt, survivors = masked(count, *lost)
    return attempt, attempt.sign(survivors)
