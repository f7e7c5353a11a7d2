"""What one hospital can certify of a model: read from its ledger, its log and the plan that it approved."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from federated.approval import approved
from federated.plan import Plan
from policies.access import Action, Purpose
from policies.audit import read_entries
from policies.errors import IntegrityError, TrainingError
from policies.events import Entry, Event
from policies.files import sha256_hex
from policies.guard import Site
from policies.ledger import COHORT, Booking, State
from policies.models import SignedModel
from policies.releases import PATIENT_COUNT, PoissonSampled, epsilon_text, from_details
from privacy.training.budget import one_training, open_ledger
from privacy.training.dp_certificate import (
    NEIGHBOURING,
    OTHER_SAMPLER,
    POISSON,
    AuditBound,
    DpCertificate,
    epsilons,
    sign_certificate,
    unit_of,
)


def certify(site: Site, model: SignedModel, audit: Path | None = None) -> tuple[DpCertificate, bytes]:
    """The certificate of a model at this site, and the signed file of it; it is logged.

    Args:
        audit: a report of 'confide privacy audit' about the model's plan.

    Raises:
        AccessDenied: whoever asks may not certify.
        TrainingError: something that a certificate promises did not hold; the message says what.
        IntegrityError: ledger and log differ, or the approval was altered.
    """
    site.guard.permit(Action.CERTIFY, Purpose.OPERATIONS)
    plan = approved(site, str(model.card.get("plan_sha256"))).plan
    bound = AuditBound.read(audit, plan.digest) if audit else None
    with one_training(site):  # so that ledger and log are of one moment
        certificate = _certificate(site, model, plan, bound)
    data = sign_certificate(certificate, site.keys)
    site.guard.record(Event.CERTIFICATE_SIGNED, plan=plan.digest, model=model.name, certificate=sha256_hex(data))
    return certificate, data


def _certificate(site: Site, model: SignedModel, plan: Plan, audit: AuditBound | None) -> DpCertificate:
    ledger = open_ledger(site)
    logged = read_entries(site.home.audit, site.keys.public)
    entries = [entry for entry in logged if entry.details.get("plan") == plan.digest]
    spent = _of(entries, Event.BUDGET_SPENT)
    counts = [entry for entry in _of(logged, Event.BUDGET_SPENT) if entry.details["plan"] == COHORT]
    bookings = [booking for booking in ledger.bookings() if booking.counts]
    steps = _steps(plan, [booking for booking in bookings if booking.plan == plan.digest], entries)
    prv, pld = epsilons(plan.sampling_rate, plan.sigma, steps, plan.delta)
    return DpCertificate(
        model=model.name,
        weights_sha256=model.card["weights_sha256"],
        study=plan.study,
        plan=plan.digest,
        site=site.name,
        encoder=plan.encoder,
        encoder_sha256=plan.encoder_sha256,
        unit=unit_of(site.name),
        neighbouring=NEIGHBOURING,
        sampler=_sampler(plan, spent),
        q=plan.sampling_rate,
        sigma=plan.sigma,
        clip=plan.clip,
        rounds=plan.rounds,
        steps=steps,
        count_sigma=PATIENT_COUNT.sigma,
        delta=plan.delta,
        epsilon_prv=prv,
        epsilon_pld=pld,
        epsilon_all=epsilon_text(ledger.spent()),
        studies=len({booking.plan for booking in bookings} - {COHORT}),
        noise=", ".join(sorted({str(entry.details.get("noise", "not said")) for entry in [*counts, *spent]})),
        guards=_guards(entries, spent[0]),
        audit=audit,
        date=datetime.now(UTC).date().isoformat(),
    )


def _steps(plan: Plan, bookings: Sequence[Booking], entries: Sequence[Entry]) -> int:
    """How many private steps were taken for the plan, where ledger and log say the same and no round is missing."""
    spent = {booking.id: booking.round for booking in bookings if booking.state is State.SPENT}
    logged = {entry.details["booking"]: entry.details["round"] for entry in _of(entries, Event.BUDGET_SPENT)}
    if spent != logged or len(spent) < len(bookings):
        raise IntegrityError(
            f"no privacy certificate: the ledger holds {len(spent)} spent steps of the plan, the log {len(logged)}, "
            f"and {len(bookings) - len(spent)} are open",
            "Let the training end, or run it again, which settles what a dead process left behind.",
        )
    released = {entry.details["round"] for entry in _of(entries, Event.UPDATE_RELEASED)}
    for what, rounds in (("spent", set(spent.values())), ("released", released)):
        missing = set(range(1, plan.rounds + 1)) - rounds
        if missing:
            listed = ", ".join(map(str, sorted(missing)))
            raise TrainingError(
                f"no privacy certificate: nothing was {what} for round {listed} of {plan.rounds}",
                "Run the training to its end.",
            )
    return len(spent)


def _sampler(plan: Plan, spent: Sequence[Entry]) -> str:
    """How patients were drawn, where each logged release is the plan's own."""
    made = [from_details(entry.details["release"]) for entry in spent]
    if not all(isinstance(release, PoissonSampled) for release in made):
        return OTHER_SAMPLER
    if set(made) != {plan.release_of_round()}:
        raise IntegrityError("no privacy certificate: the log holds releases that are not the plan's")
    return POISSON


def _guards(entries: Sequence[Entry], first: Entry) -> tuple[str, ...]:
    """What passed at every preparation of the cohort, one of which was before the first step."""
    prepared = _of(entries, Event.COHORT_PREPARED)
    passed = [set(entry.details.get("checks", ())) for entry in prepared]
    early = bool(prepared) and prepared[0].sequence < first.sequence
    return tuple(sorted(set.intersection(*passed))) if early else ()


def _of(entries: Sequence[Entry], event: Event) -> list[Entry]:
    return [entry for entry in entries if entry.event is event]
