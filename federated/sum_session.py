"""The session of one secure sum, made alike by the server, by each site and by whoever does the sum again."""

from __future__ import annotations

from collections.abc import Mapping

from federated.plan import Plan
from federated.secagg import Quantiser, Session, known_keys
from federated.server_round import largest_norm_bound
from policies.keys import PublicKey


def session_of(
    plan: Plan,
    federation: str,
    keys: Mapping[str, PublicKey],
    *,
    round_number: int,
    attempt: int,
    start: str,
    length: int,
) -> Session:
    """Places of the session are those of the plan's sites.

    Args:
        federation: its name.
        keys: of the sites, by name.
        start: SHA-256 of the weights that the round starts from.
        length: numbers in an update.

    Raises:
        IntegrityError: the key of a site is not known.
        TrainingError: the plan has too few or too many sites for secure sums.
    """
    return Session(
        federation=federation,
        plan=plan.digest,
        round=round_number,
        attempt=attempt,
        model=start,
        quantiser=Quantiser(length, largest_norm_bound(plan, length)),
        sites=known_keys([share.name for share in plan.sites], keys),
    )
