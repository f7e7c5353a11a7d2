"""What all sides of one attempt agree on before anything is sent, and the threshold that follows from it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from federated.secagg.quantise import MOST_SITES, Quantiser
from policies.errors import IntegrityError, TrainingError
from policies.files import canonical_json
from policies.keys import PublicKey

PROTOCOL = "confide-secagg-1"
FEWEST_SITES = 3
_AGAIN = "Wait until the missing sites are back; the round starts again with new keys over the same updates."


@dataclass(frozen=True)
class Session:
    """One attempt at the sum of one round. Whoever differs in any of it gets an id that the others refuse.

    Attributes:
        federation: its name.
        plan: SHA-256 of the plan, in hex.
        round, attempt: counted from 1; an attempt that was aborted is never gone on with, a new one has new keys.
        model: SHA-256, in hex, of the weights that all sites start from. A server that hands out different models, to
            see one site through the sum (Pasquini et al. 2022), finds no two sites that accept each other's keys.
        quantiser: the length of an update, and its norm bound.
        sites: their signing keys, known from joining, in the plan's order; a site's place in it counts from 0.
    """

    federation: str
    plan: str
    round: int
    attempt: int
    model: str
    quantiser: Quantiser
    sites: tuple[PublicKey, ...]

    def __post_init__(self) -> None:
        if not FEWEST_SITES <= len(self.sites) <= MOST_SITES:
            raise TrainingError(
                f"secure aggregation needs {FEWEST_SITES} to {MOST_SITES} sites, the plan has {len(self.sites)}"
            )
        if len({key.raw for key in self.sites}) < len(self.sites):
            raise IntegrityError("two sites of the federation have one signing key")

    @property
    def threshold(self) -> int:
        """More than two thirds of all sites: two lists of survivors with so many signatures share an honest signer
        while fewer than a third of the sites work with the server (Bonawitz et al. 2017, section 6.2)."""
        return 2 * len(self.sites) // 3 + 1

    @cached_property
    def id(self) -> bytes:
        """SHA-256 over all of it; every message carries it."""
        sites = [[key.name, key.raw.hex()] for key in self.sites]
        return hashlib.sha256(canonical_json({"protocol": PROTOCOL, **asdict(self), "sites": sites})).digest()

    @property
    def label(self) -> str:
        return f"round {self.round}, attempt {self.attempt}"

    def statement(self, purpose: str, **facts: Any) -> bytes:
        """Bytes to sign, to derive a key from or to bind a ciphertext to: for one purpose in this attempt alone."""
        place = {"federation": self.federation, "plan": self.plan, "round": self.round, "attempt": self.attempt}
        return canonical_json({"protocol": PROTOCOL, "session": self.id.hex(), **place, "purpose": purpose, **facts})

    def site(self, place: int) -> PublicKey:
        """Raises IntegrityError where no site has this place."""
        if not 0 <= place < len(self.sites):
            raise IntegrityError(f"{self.label}: a message names place {place}, which no site of the plan has")
        return self.sites[place]

    def check(self, session: bytes) -> None:
        """Raises IntegrityError where a message is of another session."""
        if session != self.id:
            raise IntegrityError(
                f"{self.label}: a message of another federation, plan, round or attempt, or its sender was told of "
                "another model, norm bound or key of a site"
            )

    def enough(self, count: int, did: str) -> None:
        """Raises TrainingError where fewer sites than the threshold did something."""
        if count < self.threshold:
            spare = len(self.sites) - self.threshold
            borne = f"at most {spare} may drop out" if spare else "no dropout can be borne"
            raise TrainingError(
                f"{self.label}: {count} of {len(self.sites)} sites {did}, {self.threshold} are needed; "
                f"with {len(self.sites)} sites {borne}",
                _AGAIN,
            )


def known_keys(names: Sequence[str], keys: Mapping[str, PublicKey]) -> tuple[PublicKey, ...]:
    """The sites' signing keys in the order of names.

    Args:
        names: of the plan's sites.
        keys: those that were compared at joining, by name.

    Raises:
        IntegrityError: the key of a site is not known.
    """
    if missing := [name for name in names if name not in keys]:
        raise IntegrityError(
            f"the key of site '{missing[0]}' is not known", "Compare the fingerprint of the federation again."
        )
    return tuple(keys[name] for name in names)
