"""The server's side of a secure sum: what `federated.secagg` needs of the sites, asked for in its five steps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from federated.messages import Fields
from federated.secagg import Opened, SecureSum, Session, Total
from federated.secagg.fields import columns_of, fields_of, message_of
from federated.secagg.messages import Advert, MaskedInput, Reveal, SealedShares, SumStep, SurvivorSignature
from policies.errors import IntegrityError

Read = Callable[[str, Fields], None]
"""Told a site and its answer; raises ConfideError where it does not count, and the site has dropped out."""
Ask = Callable[[SumStep, Mapping[str, Fields], Read], None]
"""Hands each site its fields, and each answer to the reader as it comes."""
_Message = TypeVar("_Message", Advert, SealedShares, MaskedInput, SurvivorSignature, Reveal)


@dataclass(frozen=True)
class Summed:
    """What an attempt gave.

    Attributes:
        inputs: SHA-256 of the masked vector of each survivor.
        signatures: over the list of survivors; both in hexadecimal, by site.
        opened: what took the masks off, by which the sum can be done again.
    """

    total: Total
    inputs: Mapping[str, str]
    signatures: Mapping[str, str]
    opened: Opened


class SumAttempt:
    """One attempt (Bonawitz et al. 2017, figure 4); a site that answers wrongly counts as dropped out.

    Args:
        keep: told each masked vector as it comes, with its site's name; it is added up and kept no longer here.

    Raises:
        TrainingError: from any step: too few sites are left, so the attempt is void.
    """

    def __init__(self, session: Session, ask: Ask, keep: Callable[[str, bytes], None]) -> None:
        self._session, self._ask, self._keep = session, ask, keep
        self._server, self._names = SecureSum(session), [key.name for key in session.sites]

    def collect(self, names: Collection[str]) -> tuple[str, ...]:
        """Rounds 0 to 2, with these sites: keys, shares and masked vectors; the sites whose vectors are in the sum."""
        server, named = self._server, self._names
        self._step(SumStep.ADVERTISE, {name: {} for name in names}, Advert, server.add_advert)
        adverts = server.adverts()
        everyone = columns_of(adverts)
        self._step(SumStep.SHARE, {named[one.site]: everyone for one in adverts}, SealedShares, server.add_shares)
        deliveries = {named[place]: fields_of(delivery) for place, delivery in server.deliveries().items()}
        self._step(SumStep.MASK, deliveries, MaskedInput, self._add_input)
        self._survivors = server.survivors()
        return tuple(named[place] for place in sorted(self._survivors.inputs))

    def sign(self) -> None:
        """Round 3: the survivors sign the list of them."""
        shown = fields_of(self._survivors)
        asked = {self._names[place]: shown for place in self._survivors.inputs}
        self._step(SumStep.SIGN, asked, SurvivorSignature, self._server.add_signature)
        self._request = self._server.request()

    def unmask(self) -> Summed:
        """Round 4: those who signed reveal their shares, and the masks come off."""
        asked, signatures = fields_of(self._request), self._request.signatures
        self._step(SumStep.UNMASK, {self._names[place]: asked for place in signatures}, Reveal, self._server.add_reveal)
        opened = self._server.opened()
        return Summed(
            opened.total(self._session, self._server.masked),
            {self._names[place]: digest.hex() for place, digest in self._survivors.inputs.items()},
            {self._names[place]: signature.hex() for place, signature in signatures.items()},
            opened,
        )

    def _step(
        self, step: SumStep, asked: Mapping[str, Any], kind: type[_Message], add: Callable[[_Message], None]
    ) -> None:
        def read(name: str, found: Fields) -> None:
            message = message_of(kind, found)
            if self._names.index(name) != message.site:
                raise IntegrityError("answers as another site")
            add(message)

        self._ask(step, asked, read)

    def _add_input(self, masked: MaskedInput) -> None:
        self._keep(self._names[masked.site], masked.vector)  # first: what is in the sum can be added up again
        self._server.add_input(masked)
