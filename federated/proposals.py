"""A site's side of a plan before it runs: drafts that it counts for, plans that it keeps until a person reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from federated.approval import is_prepared, still_holding
from federated.count import count_patients, times_counted
from federated.parties import check_known, parties_of
from federated.plan import Plan
from federated.refusing import log_refusal
from policies.access import Action, Purpose
from policies.errors import ConfideError, InputError, IntegrityError, TrainingError
from policies.events import Event
from policies.files import OWNER_ONLY, write_whole
from policies.guard import Site
from policies.keys import KeyRing, PublicKey
from policies.signed import read_signed, signed, verified

_PLAN, _OFFER = "plan", "offer"
MOST_PROPOSALS, LARGEST_PROPOSAL = 20, 1024 * 1024  # what a server can put on this site's disk


def write_proposal(keys: KeyRing, plan: Plan) -> bytes:
    """A plan, or a draft of one, as the server signs it."""
    return signed(keys, _PLAN, plan.model_dump(mode="json"))


def read_proposal(key: PublicKey, digest: str, document: bytes) -> Plan:
    """Raises IntegrityError where it is no plan, this key did not sign it, or its digest is another."""
    try:
        plan = Plan.model_validate(verified(document, _PLAN, key))
    except ValidationError:
        raise IntegrityError("a proposal that is no plan of this version") from None
    if plan.digest != digest:
        raise IntegrityError(f"the server says plan {digest[:16]} and shows plan {plan.digest[:16]}")
    return plan


def offer(site: Site, data: Path, counts: int) -> None:
    """Let the federation's drafts count the training patients of a folder, so many times, each paid from the budget.

    Raises:
        AccessDenied: whoever asks may not approve plans.
    """
    site.guard.permit(Action.APPROVE_PLAN, Purpose.RESEARCH)
    most = times_counted(site) + counts
    body = {"data": str(data.resolve()), "counts": most}
    site.guard.record(Event.COHORT_OFFERED, counts=counts)
    write_whole(site.home.offer, signed(site.keys, _OFFER, body), OWNER_ONLY)


def offered(site: Site) -> Path:
    """The folder that was offered; raises TrainingError where none was."""
    return Path(str(_offer(site)["data"]))


def count_for(site: Site, digest: str, document: bytes) -> int:
    """What a draft asks: the training patients of the folder that was offered, with noise.

    Raises:
        TrainingError: nothing was offered, all counts that were allowed are used, or the draft has an unknown site.
        ConfideError: as `count_patients`; or the server did not sign this draft.
    """
    draft = _read(site, digest, document)
    return count_patients(site, draft, offered(site), most=int(_offer(site)["counts"]))


def keep_proposal(site: Site, digest: str, document: bytes) -> None:
    """Keep a plan for a person to read and approve; of many, the newest.

    Raises:
        ConfideError: the server did not sign it, it is too large, or it names a site that nobody compared keys with.
    """
    _read(site, digest, document)
    write_whole(site.home.proposals / f"{digest}.json", document, OWNER_ONLY)
    for old in _kept(site)[:-MOST_PROPOSALS]:
        old.unlink()


def proposed(site: Site, digest: str = "") -> Plan:
    """A plan that the server proposed, by the start of its digest; the newest by default.

    Raises:
        InputError: there is none, or more than one begins so.
    """
    found = _kept(site, digest)
    if not found or (digest and len(found) > 1):
        raise InputError(
            f"{len(found)} proposed plans begin with '{digest}'" if digest else "no plan was proposed yet",
            "Give the file of the plan, or the first digits that the server shows.",
        )
    return read_proposal(parties_of(site).server, found[-1].stem, found[-1].read_bytes())


def is_approved(site: Site, digest: str) -> bool:
    """Whether a run of a plan can begin here: its approval still holds, and the cohort is prepared for it."""
    try:
        return is_prepared(site, still_holding(site, digest))
    except TrainingError:
        return False


def _read(site: Site, digest: str, document: bytes) -> Plan:
    try:
        if len(document) > LARGEST_PROPOSAL:
            raise TrainingError(f"a proposal of {len(document)} bytes; at most {LARGEST_PROPOSAL} are read")
        plan = read_proposal(parties_of(site).server, digest, document)
        check_known(site, plan)
        plan.share(site.name)
    except ConfideError as error:
        log_refusal(site, error, plan=digest)
        raise
    return plan


def _kept(site: Site, digest: str = "") -> list[Path]:
    """The proposals whose digests begin so, from the oldest to the newest."""
    return sorted(site.home.proposals.glob(f"{digest}*.json"), key=lambda path: path.stat().st_mtime_ns)


def _offer(site: Site) -> dict[str, Any]:
    if not site.home.offer.exists():
        raise TrainingError(
            f"site '{site.name}' has offered no data to its federation", "Run 'confide site offer DEID' there."
        )
    return read_signed(site.home.offer, _OFFER, site.keys.public)
