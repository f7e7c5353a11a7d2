"""A patient takes consent back: out of every cohort, keys destroyed, trainings stopped, and told which models know."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from policies.access import Action, Purpose
from policies.errors import InputError, IntegrityError
from policies.events import Event
from policies.files import OWNER_ONLY, write_whole
from policies.guard import Site
from policies.models import list_models
from policies.releases import epsilon_text
from policies.workspace import Workspace
from privacy.consent import refusal
from privacy.consent_book import as_json, record_consents, refused
from privacy.training.accounting import epsilon
from privacy.training.budget import open_ledger
from privacy.vault.originals import Holding, Vault

_PSEUDONYM = re.compile(r"[A-Za-z0-9.-]{1,64}")  # a FHIR id
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
class Honoured:
    """What followed from refusals.

    Attributes:
        destroyed: of each study's cache, by patient, the digest of the key and how many records went with it.
        uses: every study whose cohort they were in. A model cannot unlearn; epsilon bounds what it can tell.
    """

    destroyed: Mapping[str, Mapping[str, Holding]]
    uses: tuple[Use, ...]


def withdraw(workspace: Workspace, site: Site, patient: str, purposes: frozenset[Purpose]) -> Honoured:
    """Take a patient's consent back.

    The refusal is logged first, so that no training begun from then on can use the patient; then what is in flight is
    stopped, and the keys of the patient's hidden states are destroyed. Run again, it finishes what was cut off.

    Raises:
        AccessDenied: this account may not record consent.
        InputError: this is no pseudonym.
    """
    site.guard.permit(Action.RECORD_CONSENT, Purpose.OPERATIONS)
    if not _PSEUDONYM.fullmatch(patient):
        raise InputError("this is no pseudonym of a patient", "Use one as it stands in the records.")
    words = refusal(purposes, datetime.now(UTC).isoformat(timespec="seconds"))
    record_consents(site, {patient: words}, SOURCE)
    done = honour(workspace, site, [patient]) if Purpose.RESEARCH in purposes else Honoured({}, ())
    site.guard.record(
        Event.CONSENT_WITHDRAWN,
        patient=patient,
        words=as_json(words),
        keys={plan: held[patient].key_sha256 for plan, held in done.destroyed.items()},
        plans={use.plan: use.epsilon for use in done.uses},
        models=[model for use in done.uses for model in use.models],
        stopped=[use.plan for use in done.uses if use.stopped],
    )
    return done


def honour(workspace: Workspace, site: Site, patients: Sequence[str]) -> Honoured:
    """Stop every training in flight that uses one of these patients, and destroy the keys of their hidden states."""
    destroyed, uses = dict[str, dict[str, Holding]](), list[Use]()
    for path in site.home.vaults:
        cache, plan = Vault(path, site.keys.wrapping), path.name
        held = {p: holding for p in patients if (holding := cache.holding(p))} if path != site.home.vault else {}
        if held or (path != site.home.vault and site.home.stopped(plan).exists()):
            uses.append(_stop(workspace, site, plan))
            for patient in held:
                cache.erase(patient)
        if held:
            destroyed[plan] = held
    return Honoured(destroyed, tuple(uses))


def honour_refusals(workspace: Workspace, site: Site) -> Honoured:
    """The same for everybody who refuses research now; a refusal may come with an import."""
    caches = [Vault(path, site.keys.wrapping) for path in site.home.vaults if path != site.home.vault]
    cached = sorted({patient for cache in caches for patient in cache.patients()})
    return honour(workspace, site, sorted(refused(site, Purpose.RESEARCH, cached)))


def refuse_stopped(site: Site, plan: str) -> None:
    """Raises IntegrityError where a withdrawal stopped this plan here."""
    if site.home.stopped(plan).exists():
        raise IntegrityError(
            f"plan {plan[:16]} was stopped at '{site.name}' since a patient of its cohort withdrew",
            "Start a new study; it is drafted without this patient.",
        )


def _stop(workspace: Workspace, site: Site, plan: str) -> Use:
    own = [booking for booking in open_ledger(site).bookings() if booking.plan == plan and booking.counts]
    spent = epsilon([[booking.release for booking in own]], open_ledger(site).delta) if own else 0.0
    models = [m.name for m in list_models(workspace.models, workspace.trusted) if m.card.get("plan_sha256") == plan]
    if not models:
        write_whole(site.home.stopped(plan), b"a patient of the cohort refuses research\n", OWNER_ONLY)
    return Use(plan, epsilon_text(spent), tuple(models), stopped=not models)
