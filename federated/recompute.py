"""An auditor does the secure sums of a plan again: from what came under masks to the model, by the signed receipts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from safetensors.numpy import load, save

from federated.aggregation import Weights
from federated.parties import Parties
from federated.plan import Plan, read_plan
from federated.progress import rounds_in_log
from federated.provision.founding import roster_of
from federated.receipt import Receipt, read_receipt
from federated.secagg.survivors import verify_survivors
from federated.server_round import mean_of, server_of
from federated.sum_record import SumRecord, read_kept
from federated.sum_session import session_of
from policies.errors import InputError, IntegrityError, TrainingError
from policies.files import sha256_hex
from policies.keys import PublicKey
from policies.wording import counted
from policies.workspace import ServerHome


def recomputed(home: ServerHome, key: PublicKey) -> Iterator[str]:
    """A sentence for each plan of secure sums that a federation's server agreed on with its sites.

    Args:
        key: of the server.

    Raises:
        IntegrityError: as `recompute`.
    """
    if not home.federation.roster.exists():
        return
    roster = roster_of(home, key)
    parties = Parties(roster.federation, key, {one.name: roster.key_of(one.name) for one in roster.members})
    for path in sorted(home.runs.glob("*/plan.json")):
        plan = read_plan(path)
        if not plan.is_secure:
            continue
        try:
            rounds = recompute(home, parties, plan)
            yield f"plan {plan.digest[:16]}: {counted(rounds, 'round')} done again from what came under masks"
        except InputError as error:
            yield f"plan {plan.digest[:16]}: its rounds cannot be done again: {error}"
        except TrainingError as error:  # too few signed a list
            raise IntegrityError(f"plan {plan.digest[:16]}: {error.message}") from None


def recompute(home: ServerHome, parties: Parties, plan: Plan) -> int:
    """Do every finished round of a plan again, from its start, and say how many there are.

    Of each round: enough sites signed the receipt's list; the vectors are those of the list; each secret that takes a
    mask off is the one behind what its site signed; their sum is a mean, and the plan's step by it gives the model.

    Args:
        parties: whose keys are believed.

    Raises:
        InputError: the server kept too little of it, or the key of a site is not known.
        IntegrityError: a round is not what its receipt says.
    """
    if missing := [share.name for share in plan.sites if share.name not in parties.sites]:
        raise InputError(f"the key of site '{missing[0]}' is not known")
    if not (done := sorted(rounds_in_log(home, parties.server, plan.digest))):
        return 0
    receipts = [read_receipt(parties.server, read_kept(home.receipt(plan.digest, number))) for number in done]
    start = read_kept(home.weights(plan.digest, 0))
    if sha256_hex(start) != receipts[0].start:
        raise IntegrityError("the first round does not start from the plan's start as it was kept")
    steps = server_of(plan, load(start))
    for number, receipt in zip(done, receipts, strict=True):
        said = (receipt.plan, receipt.round, receipt.start)
        if said != (plan.digest, number, sha256_hex(save(steps.weights))):
            raise IntegrityError(f"round {number} does not start where the round before ended")
        model = steps.step(_gradient(home, parties, plan, receipt, steps.weights))
        if sha256_hex(save(model)) != receipt.model:
            raise IntegrityError(f"round {number}: what the sites sent gives another model than the receipt says")
    return len(done)


def _gradient(home: ServerHome, parties: Parties, plan: Plan, receipt: Receipt, like: Weights) -> Weights:
    """The mean of a round, of the vectors under masks."""
    record, names = SumRecord(home, plan.digest, receipt.round), [share.name for share in plan.sites]
    session = session_of(
        plan,
        parties.federation,
        parties.sites,
        round_number=receipt.round,
        attempt=receipt.attempt,
        start=receipt.start,
        length=sum(array.size for array in like.values()),
    )
    inputs, signatures = (
        {names.index(name): bytes.fromhex(found) for name, found in by_name.items()}
        for by_name in (receipt.inputs, receipt.signatures)
    )
    verify_survivors(session, inputs, signatures)
    masked = np.zeros(session.quantiser.words, np.uint32)
    for name, digest in receipt.inputs.items():
        if sha256_hex(vector := record.vector(name)) != digest:
            raise IntegrityError(f"round {receipt.round}: the vector of '{name}' is not the one that was signed for")
        masked += np.frombuffer(vector, "<u4")
    opened = record.opened()
    if opened.seeds.keys() != inputs.keys():
        raise IntegrityError(f"round {receipt.round}: the masks that came off are of other sites than the list")
    return mean_of(opened.total(session, masked), like)
