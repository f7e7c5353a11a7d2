"""A hospital's yes to a plan: checked, signed and logged; nothing of a plan runs before it.

It binds the plan, the data, the installed code's bundle and the policy, so a new version or a new policy asks anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clinical.manifest import MANIFEST, read_manifest
from federated.cohort import check_cohort, training_part
from federated.node.bundle import approved_bundle
from federated.plan import Plan, check_caps
from federated.refusing import log_refusal
from policies.access import Action, Purpose
from policies.errors import BudgetError, ConfideError, IntegrityError, TrainingError
from policies.events import Event
from policies.files import OWNER_ONLY, canonical_json, file_sha256, sha256_hex, write_whole
from policies.guard import Site
from policies.ledger import Ledger
from policies.releases import Release
from privacy.training.budget import open_ledger

_AGAIN = "Read it again and run 'confide site approve'."


def approve(site: Site, plan: Plan, data: Path) -> None:
    """Agree to a plan on the de-identified data of a folder; it is signed, kept and logged.

    Raises:
        AccessDenied: whoever asks may not approve plans.
        TrainingError: the plan exceeds a cap of this site.
        CohortTooSmall: the data has fewer training patients than the policy allows.
        BudgetError: the whole plan would exceed the budget; nothing was spent.
    """
    site.guard.permit(Action.APPROVE_PLAN, Purpose.RESEARCH)
    check_plan(site, plan, data)
    manifest = file_sha256(data / MANIFEST)
    body = {
        "plan": plan.model_dump(mode="json"),
        "data": str(data.resolve()),
        "manifest": manifest,
        "bundle": approved_bundle(),
        "policy": site.guard.policy.digest,
    }
    signature = site.keys.sign(canonical_json(body)).hex()
    site.guard.record(Event.PLAN_APPROVED, plan=plan.digest, manifest=manifest, words=plan.in_words(site.name))
    write_whole(site.home.plan(plan.digest), canonical_json({**body, "ed25519": signature}) + b"\n")


def check_plan(site: Site, plan: Plan, data: Path) -> None:
    """Whether this site could train by a plan; a refusal is logged. Raises as `approve`.

    It looks at the exact cohort, so what it finds is for people of this site alone.
    """
    check_terms(site, plan, data)
    with _logged_refusal(site, plan):
        check_cohort(site, training_part(site, plan, data))


def check_terms(site: Site, plan: Plan, data: Path, beside: Sequence[Release] = ()) -> None:
    """Whether caps, budget and the signature on the data allow a plan; no patient has a say in the answer.

    Args:
        beside: what else of the plan is still to be released.
    """
    with _logged_refusal(site, plan):
        check_caps(plan, site.guard.policy.training, site.guard.policy.federation)
        plan.share(site.name)
        read_manifest(data, site.keys.public)
        ledger = open_ledger(site)
        ledger.afford(plan.digest, [*beside, *left_to_release(ledger, plan)])


@contextmanager
def _logged_refusal(site: Site, plan: Plan) -> Iterator[None]:
    try:
        yield
    except ConfideError as error:
        event = Event.BUDGET_REFUSED if type(error) is BudgetError else Event.PLAN_REFUSED
        log_refusal(site, error, event, plan=plan.digest)
        raise


def left_to_release(ledger: Ledger, plan: Plan) -> list[Release]:
    """A step for each round of a plan that was not booked yet."""
    booked = {booking.round for booking in ledger.bookings() if booking.plan == plan.digest and booking.counts}
    return [plan.release_of_round()] * (plan.rounds - len(booked))


@dataclass(frozen=True)
class Approval:
    """A plan that a site agreed to, on the de-identified data of a folder with this manifest.

    Attributes:
        bundle: SHA-256 of the bundle of the code that was installed.
        policy: digest of the policy that was in force.
    """

    plan: Plan
    data: Path
    manifest: str
    bundle: str
    policy: str

    @property
    def digest(self) -> str:
        """SHA-256 of all that was agreed to."""
        parts = (self.plan.digest, self.manifest, self.bundle, self.policy)
        return sha256_hex(canonical_json(parts))


def in_force(site: Site, digest: str) -> Approval:
    """What this site approved and what still holds: a run of any other plan is refused, and the refusal logged.

    Raises:
        TrainingError: it did not approve the plan, or code or policy are others since.
        IntegrityError: the approval was altered.
    """
    try:
        return still_holding(site, digest)
    except ConfideError as error:
        log_refusal(site, error, plan=digest)
        raise


def still_holding(site: Site, digest: str) -> Approval:
    """As `in_force`, for a look that runs nothing: no refusal is logged."""
    approval = approved(site, digest)
    if approval.bundle != approved_bundle():
        raise TrainingError(f"plan {digest[:16]} was approved under another version of Confide", _AGAIN)
    if approval.policy != site.guard.policy.digest:
        raise TrainingError(f"plan {digest[:16]} was approved under another policy", _AGAIN)
    return approval


def mark_prepared(site: Site, approval: Approval) -> None:
    """Say that the cohort of an approval is prepared: the last act of its preparation."""
    write_whole(site.home.prepared(approval.plan.digest), approval.digest.encode(), OWNER_ONLY)


def is_prepared(site: Site, approval: Approval) -> bool:
    """Whether the cohort was prepared for this very approval, not for an earlier one of the same plan."""
    mark = site.home.prepared(approval.plan.digest)
    return mark.exists() and mark.read_text() == approval.digest


def approved(site: Site, digest: str) -> Approval:
    """What this site approved, whether or not it still holds.

    Raises:
        TrainingError: it did not.
        IntegrityError: the approval was altered.
    """
    try:
        body = json.loads(site.home.plan(digest).read_bytes())
        signature = bytes.fromhex(body.pop("ed25519"))
        site.keys.public.verify_document(signature, canonical_json(body))
        plan, data = Plan.model_validate(body.pop("plan")), Path(body.pop("data"))
        approval = Approval(plan, data, **body)
    except FileNotFoundError:
        raise TrainingError(f"site '{site.name}' has not approved plan {digest[:16]}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise IntegrityError(f"the approval of plan {digest[:16]} was altered") from None
    if approval.plan.digest != digest:
        raise IntegrityError(f"the approval of plan {digest[:16]} holds another plan")
    return approval
