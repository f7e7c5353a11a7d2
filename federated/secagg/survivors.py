"""The list of survivors: what is signed over it, and how many signatures let shares be revealed."""

from __future__ import annotations

from collections.abc import Mapping

from federated.secagg.session import Session
from policies.errors import IntegrityError


def survivors_statement(session: Session, inputs: Mapping[int, bytes]) -> bytes:
    """The list as it is signed: each survivor's place and the SHA-256 of its masked input.

    The paper signs the places alone. With the hashes, each site sees its own input in the sum once, and the signatures
    bind what an auditor adds up.
    """
    return session.statement("survivors", inputs=[[place, inputs[place].hex()] for place in sorted(inputs)])


def verify_survivors(session: Session, inputs: Mapping[int, bytes], signatures: Mapping[int, bytes]) -> None:
    """Round 3, ConsistencyCheck: at least `threshold` survivors signed this very list.

    Raises:
        IntegrityError: a signature is not that of a survivor over this list.
        TrainingError: there are too few.
    """
    statement = survivors_statement(session, inputs)
    for place, signature in signatures.items():
        signer = session.site(place)
        if place not in inputs:
            raise IntegrityError(f"{session.label}: '{signer.name}' signed and is not in the list of survivors")
        try:
            signer.verify(signature, statement)
        except IntegrityError:
            raise IntegrityError(
                f"{session.label}: what '{signer.name}' signed is not this list of survivors; the server may have "
                "shown different lists to different sites"
            ) from None
    session.enough(len(signatures), "signed one and the same list of survivors")
