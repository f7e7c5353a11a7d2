"""A site's side of receipts: its own update counted once, and each round from the model of the last one."""

from __future__ import annotations

from typing import NoReturn

from federated.parties import parties_of
from federated.plan import Plan
from federated.receipt import Receipt, read_receipt
from federated.refusing import log_refusal
from federated.site_sum import SiteSum
from policies.errors import IntegrityError
from policies.events import Event
from policies.files import OWNER_ONLY, file_sha256, write_whole
from policies.guard import Site


def check_receipt(site: Site, plan: Plan, round_number: int, document: bytes) -> None:
    """Verify a round's receipt, keep it, and log whether this site's own update was counted.

    Raises:
        IntegrityError: the server did not sign it, it is of another round, it counts the own update twice or as
            another, or another one was shown before; the refusal is logged.
    """
    path = site.home.receipt(plan.digest, round_number)
    try:
        receipt = read_receipt(parties_of(site).server, document)
        _check(site, plan, round_number, receipt)
        if path.exists() and read_receipt(parties_of(site).server, path.read_bytes()).outcome != receipt.outcome:
            raise IntegrityError(f"round {round_number}: the server shows a second receipt that says something else")
    except IntegrityError as error:
        log_refusal(site, error, plan=plan.digest, round=round_number)
        raise
    if not path.exists():
        write_whole(path, document, OWNER_ONLY)
        facts = {"inputs": receipt.inputs, "model": receipt.model, "counted": site.name in receipt.inputs}
        site.guard.record(Event.RECEIPT_CHECKED, plan=plan.digest, round=round_number, **facts)


def check_start(site: Site, plan: Plan, round_number: int, weights: str, receipt: bytes) -> None:
    """The weights that a round starts from are those of the last receipt, and the same whenever it is asked again.

    Args:
        weights: their SHA-256.
        receipt: of the round before, as it came with the order; it is checked and kept, if it was not before.

    Raises:
        IntegrityError: they are others, or there is no receipt to tell: the server may show different models to
            different sites.
    """
    if round_number > 1 and receipt:
        check_receipt(site, plan, round_number - 1, receipt)
    known = _start_of(site, plan, round_number)
    if round_number > 1 and known is None:
        refuse_start(site, plan, round_number, "comes without the receipt of the round before")
    if known not in (None, weights):
        refuse_start(site, plan, round_number, "does not start from the model that the server showed before")
    start = site.home.start(plan.digest, round_number)
    if not start.exists():
        write_whole(start, weights.encode(), OWNER_ONLY)


def refuse_start(site: Site, plan: Plan, round_number: int, why: str) -> NoReturn:
    """Raises IntegrityError, and logs the refusal."""
    error = IntegrityError(
        f"round {round_number} {why}", "Ask the server's administrator; nothing was spent for this order."
    )
    log_refusal(site, error, plan=plan.digest, round=round_number)
    raise error


def _start_of(site: Site, plan: Plan, round_number: int) -> str | None:
    """SHA-256 of what a round starts from, as its order said it before, or else the receipt of the round before."""
    start, before = site.home.start(plan.digest, round_number), site.home.receipt(plan.digest, round_number - 1)
    if start.exists():
        return start.read_text("ascii")
    return read_receipt(parties_of(site).server, before.read_bytes()).model if before.exists() else None


def _check(site: Site, plan: Plan, round_number: int, receipt: Receipt) -> None:
    start, sent = _start_of(site, plan, round_number), _sent(site, plan, receipt)
    said = (receipt.plan, receipt.round, receipt.aggregation)
    if said != (plan.digest, round_number, plan.aggregation.value):
        raise IntegrityError(f"a receipt of another plan, round or aggregation than round {round_number}")
    if start not in (None, receipt.start):
        raise IntegrityError(f"round {round_number}: the receipt names another start than this site was told")
    counted = [name for name, digest in receipt.inputs.items() if digest == sent]
    if (site.name in receipt.inputs or counted) and counted != [site.name]:
        raise IntegrityError(f"round {round_number}: the receipt does not count this site's update once and as sent")
    if plan.is_secure and site.home.update(plan.digest, round_number).exists():
        SiteSum(site, plan, round_number, receipt.attempt).check_list(receipt.inputs, receipt.signatures)


def _sent(site: Site, plan: Plan, receipt: Receipt) -> str | None:
    """SHA-256 of what this site sent, if it did."""
    if plan.is_secure:
        return SiteSum(site, plan, receipt.round, receipt.attempt).sent
    update = site.home.update(plan.digest, receipt.round)
    return file_sha256(update) if update.exists() else None
