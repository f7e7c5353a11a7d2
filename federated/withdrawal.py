"""A patient takes consent back: out of every cohort, keys destroyed, trainings stopped, and told which models know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from policies.access import Action, Purpose
from policies.errors import InputError, IntegrityError
from policies.events import Event
from policies.files import OWNER_ONLY, canonical_json, write_whole
from policies.guard import Site
from policies.models import list_models
from policies.releases import epsilon_text
from policies.workspace import Workspace
from privacy.consent import Consent, consents, record_consents
from privacy.training.accounting import epsilon
from privacy.training.budget import open_ledger
from privacy.vault.originals import Holding, Vault

SOURCE = "withdrawal"


@dataclass(frozen=True)
class Use:
    """A study that used a patient.

    Attributes:
        epsilon: what the site has released of its patients in this study so far, rounded up.
        models: that came of it.
        stopped: whether it had not ended, and was stopped here.
    """

    plan: str
    epsilon: str
    models: tuple[str, ...]
    stopped: bool


@dataclass(frozen=True)
class Withdrawal:
    """What a withdrawal did.

    Attributes:
        destroyed: of each study's cache, the digest of the key and how many records went with it.
        uses: every study whose cohort the patient was in. A model cannot unlearn; epsilon bounds what it can tell.
    """

    patient: str
    purposes: frozenset[Purpose]
    destroyed: Mapping[str, Holding]
    uses: tuple[Use, ...]


def withdraw(workspace: Workspace, site: Site, patient: str, purposes: frozenset[Purpose]) -> Withdrawal:
    """Take a patient's consent back.

    The refusal is logged first, so that no training begun from then on can use the patient; then what is in flight is
    stopped, and the keys of the patient's hidden states are destroyed. Run again, it finishes what was cut off.

    Raises:
        AccessDenied: this account may not record consent.
        InputError: the site knows no such patient.
    """
    site.guard.permit(Action.RECORD_CONSENT, Purpose.OPERATIONS)
    caches = {path.name: Vault(path, site.keys.wrapping) for path in site.home.vaults if path != site.home.vault}
    known = patient in consents(site) or patient in Vault(site.home.vault, site.keys.wrapping).patients()
    if not known and not any(cache.holding(patient) for cache in caches.values()):
        raise InputError("nothing is kept of such a patient", "Use a pseudonym from the records; one erased is gone.")
    record_consents(site, {patient: Consent(denied=purposes)}, SOURCE)
    if Purpose.RESEARCH not in purposes:
        return _logged(site, Withdrawal(patient, purposes, {}, ()))
    used = {
        plan: cache for plan, cache in caches.items() if cache.holding(patient) or _stopped_for(site, plan, patient)
    }
    uses = tuple(_stop(workspace, site, plan, patient) for plan in used)
    destroyed = {plan: held for plan, cache in used.items() if (held := cache.erase(patient))}
    return _logged(site, Withdrawal(patient, purposes, destroyed, uses))


def refuse_stopped(site: Site, plan: str) -> None:
    """Raises IntegrityError where a withdrawal stopped this plan here."""
    if site.home.stopped(plan).exists():
        raise IntegrityError(
            f"plan {plan[:16]} was stopped at '{site.name}' since a patient of its cohort withdrew",
            "Start a new study; it is drafted without this patient.",
        )


def _stop(workspace: Workspace, site: Site, plan: str, patient: str) -> Use:
    own = [booking for booking in open_ledger(site).bookings() if booking.plan == plan and booking.counts]
    spent = epsilon([[booking.release for booking in own]], open_ledger(site).delta) if own else 0.0
    models = [m.name for m in list_models(workspace.models, workspace.trusted) if m.card.get("plan_sha256") == plan]
    if not models:
        write_whole(site.home.stopped(plan), canonical_json({"patient": patient}), OWNER_ONLY)
    return Use(plan, epsilon_text(spent), tuple(models), stopped=not models)


def _stopped_for(site: Site, plan: str, patient: str) -> bool:
    path = site.home.stopped(plan)
    return path.is_file() and path.read_bytes() == canonical_json({"patient": patient})


def _logged(site: Site, done: Withdrawal) -> Withdrawal:
    site.guard.record(
        Event.CONSENT_WITHDRAWN,
        patient=done.patient,
        denied=sorted(done.purposes),
        given=[],
        keys={plan: held.key_sha256 for plan, held in done.destroyed.items()},
        plans={use.plan: use.epsilon for use in done.uses},
        models=[model for use in done.uses for model in use.models],
        stopped=[use.plan for use in done.uses if use.stopped],
    )
    return done
