"""The server's side of a secure sum: what `federated.secagg` needs of the sites, asked for in its five steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from federated.secagg import SecureSum, Session, Total
from federated.secagg.fields import columns_of, fields_of, message_of
from federated.secagg.messages import Advert, MaskedInput, Reveal, SealedShares, SumStep, SurvivorSignature
from policies.errors import IntegrityError

Ask = Callable[[SumStep, Mapping[str, Mapping[str, Any]]], Mapping[str, Mapping[str, Any]]]
"""Hands each site its fields and returns the answers of those that gave one, by site."""
_Message = TypeVar("_Message", Advert, SealedShares, MaskedInput, SurvivorSignature, Reveal)


@dataclass(frozen=True)
class Summed:
    """What an attempt gave.

    Attributes:
        inputs: SHA-256 of the masked vector of each survivor.
        signatures: over the list of survivors; both in hexadecimal, by site.
    """

    total: Total
    inputs: Mapping[str, str]
    signatures: Mapping[str, str]


def secure_sum(session: Session, ask: Ask, wrong: Callable[[str], None]) -> Summed:
    """One attempt (Bonawitz et al. 2017, figure 4); a site that answers wrongly counts as dropped out.

    Args:
        wrong: told why, in a sentence.

    Raises:
        TrainingError: too few sites are left, so the attempt is void.
    """
    server, names = SecureSum(session), [key.name for key in session.sites]

    def collect(step: SumStep, asked: Mapping[str, Any], kind: type[_Message], add: Callable[[_Message], None]) -> None:
        for name, found in ask(step, asked).items():
            try:
                message = message_of(kind, found)
                if names[message.site] != name:
                    raise IntegrityError(f"{session.label}: '{name}' answers as another site")
                add(message)
            except (IntegrityError, IndexError) as error:
                wrong(str(error))

    collect(SumStep.ADVERTISE, {name: {} for name in names}, Advert, server.add_advert)
    adverts = server.adverts()
    everyone = columns_of(adverts)
    collect(SumStep.SHARE, {names[one.site]: everyone for one in adverts}, SealedShares, server.add_shares)
    deliveries = {names[place]: fields_of(delivery) for place, delivery in server.deliveries().items()}
    collect(SumStep.MASK, deliveries, MaskedInput, server.add_input)
    survivors = server.survivors()
    shown = {names[place]: fields_of(survivors) for place in survivors.inputs}
    collect(SumStep.SIGN, shown, SurvivorSignature, server.add_signature)
    request = server.request()
    signers = {names[place]: fields_of(request) for place in request.signatures}
    collect(SumStep.UNMASK, signers, Reveal, server.add_reveal)
    return Summed(
        server.total(),
        {names[place]: digest.hex() for place, digest in survivors.inputs.items()},
        {names[place]: signature.hex() for place, signature in request.signatures.items()},
    )
