"""The server's side of one attempt: it sees public keys, ciphertexts, masked vectors and shares, and learns one sum."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from enum import IntEnum

import numpy as np

from federated.secagg.keys import verify_advert
from federated.secagg.messages import (
    Advert,
    ByPlace,
    Delivery,
    MaskedInput,
    Reveal,
    SealedShares,
    Survivors,
    SurvivorSignature,
    UnmaskRequest,
)
from federated.secagg.opened import Opened
from federated.secagg.session import Session
from federated.secagg.shares import SHARE_BYTES, combine
from federated.secagg.survivors import survivors_statement
from policies.errors import IntegrityError, TrainingError


class Round(IntEnum):
    """Rounds of Bonawitz et al. 2017, figure 4."""

    ADVERTISE_KEYS = 0
    SHARE_KEYS = 1
    MASKED_INPUT = 2
    CONSISTENCY_CHECK = 3
    UNMASKING = 4
    OVER = 5


class SecureSum:
    """One attempt. In each round `add_...` what came from each site, then ask once for what goes to all.

    Whatever `add_...` refuses leaves the attempt as it was, so the caller may count its sender as dropped out. Masked
    inputs are added up as they come: memory grows with the model and not with the number of sites.

    Attributes:
        masked: the sum of the masked vectors so far, [length + 1].

    Raises:
        IntegrityError: from `add_...`: a message that no honest site sends, or one too many or too late.
        TrainingError: from the others: fewer sites than the threshold are left, so the attempt is void.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._round = Round.ADVERTISE_KEYS
        self._adverts: dict[int, Advert] = {}
        self._sealed: dict[int, Mapping[int, bytes]] = {}
        self._inputs: dict[int, bytes] = {}
        self._signatures: dict[int, bytes] = {}
        self._reveals: dict[int, Reveal] = {}
        self.masked = np.zeros(session.quantiser.words, np.uint32)

    def add_advert(self, advert: Advert) -> None:
        """Round 0, AdvertiseKeys, from a site."""
        self._admit(Round.ADVERTISE_KEYS, advert.session, advert.site, range(len(self.session.sites)), self._adverts)
        verify_advert(self.session, advert)
        self._adverts[advert.site] = advert

    def adverts(self) -> tuple[Advert, ...]:
        """Round 1, ShareKeys, to each site that advertised (U1)."""
        self._close(Round.ADVERTISE_KEYS, self._adverts, "advertised keys")
        return tuple(self._adverts.values())

    def add_shares(self, shares: SealedShares) -> None:
        """Round 1, ShareKeys, from a site."""
        self._admit(Round.SHARE_KEYS, shares.session, shares.site, self._adverts, self._sealed)
        if set(shares.sealed) != set(self._adverts) - {shares.site}:
            raise self._wrong(shares.site, "sent shares to other sites than those that advertised keys")
        self._sealed[shares.site] = shares.sealed

    def deliveries(self) -> dict[int, Delivery]:
        """Round 2, MaskedInputCollection, to each site that shared (U2)."""
        self._close(Round.SHARE_KEYS, self._sealed, "shared their keys")
        return {
            receiver: Delivery(
                self.session.id,
                receiver,
                {sender: sealed[receiver] for sender, sealed in self._sealed.items() if sender != receiver},
            )
            for receiver in self._sealed
        }

    def add_input(self, masked: MaskedInput) -> None:
        """Round 2, MaskedInputCollection, from a site."""
        self._admit(Round.MASKED_INPUT, masked.session, masked.site, self._sealed, self._inputs)
        if len(masked.vector) != 4 * len(self.masked):
            raise self._wrong(masked.site, f"sent {len(masked.vector)} bytes where {4 * len(self.masked)} belong")
        self._inputs[masked.site] = hashlib.sha256(masked.vector).digest()
        self.masked += np.frombuffer(masked.vector, "<u4")

    def survivors(self) -> Survivors:
        """Round 3, ConsistencyCheck, to each site whose input is in the sum (U3)."""
        self._close(Round.MASKED_INPUT, self._inputs, "sent their masked input")
        return Survivors(self.session.id, dict(self._inputs))

    def add_signature(self, signed: SurvivorSignature) -> None:
        """Round 3, ConsistencyCheck, from a site."""
        self._admit(Round.CONSISTENCY_CHECK, signed.session, signed.site, self._inputs, self._signatures)
        self.session.site(signed.site).verify(signed.signature, survivors_statement(self.session, self._inputs))
        self._signatures[signed.site] = signed.signature

    def request(self) -> UnmaskRequest:
        """Round 4, Unmasking, to each site that signed (U4)."""
        self._close(Round.CONSISTENCY_CHECK, self._signatures, "signed one and the same list of survivors")
        return UnmaskRequest(self.session.id, dict(self._signatures), tuple(sorted(self._inputs)), self._dropped)

    def add_reveal(self, reveal: Reveal) -> None:
        """Round 4, Unmasking, from a site."""
        self._admit(Round.UNMASKING, reveal.session, reveal.site, self._signatures, self._reveals)
        shares = [*reveal.seeds.values(), *reveal.keys.values()]
        wanted = set(reveal.seeds) == set(self._inputs) and set(reveal.keys) == set(self._dropped)
        if not wanted or any(len(share) != SHARE_BYTES for share in shares):
            raise self._wrong(reveal.site, "revealed other shares than those that were asked for")
        self._reveals[reveal.site] = reveal

    def opened(self) -> Opened:
        """Round 4, Unmasking: the secrets that take away all masks that are left of `masked`."""
        self._close(Round.UNMASKING, self._reveals, "revealed their shares")
        seeds = {survivor: self._secret(survivor, lambda reveal: reveal.seeds) for survivor in self._inputs}
        keys = {dropped: self._secret(dropped, lambda reveal: reveal.keys) for dropped in self._dropped}
        return Opened(tuple(self._adverts.values()), seeds, keys)

    @property
    def _dropped(self) -> tuple[int, ...]:
        """Those whose masks are in the inputs of others, and who sent none."""
        return tuple(sorted(set(self._sealed) - set(self._inputs)))

    def _secret(self, owner: int, shares_of: Callable[[Reveal], ByPlace]) -> bytes:
        shares = {place: shares_of(reveal)[owner] for place, reveal in self._reveals.items()}
        return combine(shares, self.session.threshold)

    def _admit(self, now: Round, session: bytes, site: int, among: Collection[int], seen: Collection[int]) -> None:
        self.session.check(session)
        self.session.site(site)
        if self._round is not now:
            raise self._wrong(site, f"sent a message of round {now.name} in round {self._round.name}")
        if site not in among:
            raise self._wrong(site, f"sent a message of round {now.name} and was not in the round before")
        if site in seen:
            raise self._wrong(site, f"sent a second message of round {now.name}")

    def _close(self, now: Round, done: Collection[int], did: str) -> None:
        if self._round is not now:
            raise TrainingError(f"{self.session.label}: round {now.name} is over, round {self._round.name} goes on")
        self.session.enough(len(done), did)
        self._round = Round(now + 1)

    def _wrong(self, site: int, did: str) -> IntegrityError:
        return IntegrityError(f"{self.session.label}: '{self.session.site(site).name}' {did}")
