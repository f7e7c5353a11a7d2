"""A study on one machine: draft a plan, approve it at every site, prepare, train, sign and register the model."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors.numpy import save

from clinical.classifier import model_weights, trained_weights
from clinical.labels import LabelRule
from federated.approval import approve, check_plan, left_to_release
from federated.count import FEWEST, count_patients
from federated.plan import Plan, SiteShare
from federated.progress import RoundDone
from federated.settings import StudySettings
from federated.simulation import simulate
from federated.site_round import plan_classifier, prepare
from federated.validation import notes_sha256, score_for
from policies.access import Action, Purpose
from policies.errors import BudgetError
from policies.events import Event
from policies.guard import Server, Site
from policies.ledger import by_plan
from policies.models import SignedModel, sign_model, trust
from policies.releases import PATIENT_COUNT, epsilon_text
from policies.workspace import Workspace
from privacy.encoders import find_encoder
from privacy.training.accounting import epsilon, sigma_for
from privacy.training.budget import open_ledger
from privacy.training.randomness import CHACHA20

_NOT_IN_A_PLAN = ("epsilon", "encoder", "validation")  # it has their hashes, and the noise instead
_LIBRARIES = ("confide", "torch", "transformers", "peft", "opacus", "flwr", "dp-accounting")
# Tried on the synthetic cohort: more noise wants smaller steps, which Adam takes by itself.
_FASTEST, _RATE_TIMES_NOISE, _ADAM_RATE = 8.0, 24.0, 0.1


@dataclass(frozen=True)
class Cohort:
    """One hospital's part in a study: the site, and the folder that 'confide deid' wrote for it."""

    site: Site
    data: Path


@dataclass(frozen=True)
class Watch:
    """Who is told how far a study is: windows to read at a site, windows read, rounds done."""

    counted: Callable[[str, int], None] = lambda site, windows: None
    prepared: Callable[[str, int], None] = lambda site, windows: None
    round_done: Callable[[RoundDone], None] = lambda done: None


def draft_plan(cohorts: Sequence[Cohort], rule: LabelRule, settings: StudySettings) -> Plan:
    """Write the plan of a study; nothing is trained, and nothing is spent but each site's count of its patients.

    Raises:
        BudgetError: no noise reaches the target, or a site's budget does not bear the plan; that site counts nothing.
        ConfideError: a site does not agree to such a plan.
    """
    delta = min(cohort.site.guard.policy.training.delta for cohort in cohorts)
    draft = plan_with(settings, rule, delta, shares({cohort.site.name: FEWEST for cohort in cohorts}))
    for cohort in cohorts:
        check_plan(cohort.site, draft, cohort.data)
    counted = {cohort.site.name: count_patients(cohort.site, draft, cohort.data) for cohort in cohorts}
    return draft.model_copy(update={"sites": shares(counted)})


def plan_with(settings: StudySettings, rule: LabelRule, delta: float, sites: Sequence[SiteShare]) -> Plan:
    """The plan that these settings mean, with the least noise that keeps their target.

    Raises:
        BudgetError: no noise reaches the target.
        InputError: there are no public notes where the settings name some.
    """
    if not settings.epsilon > 0:
        raise BudgetError(f"an epsilon of {settings.epsilon:g} buys no training", "Ask for more than 0.")
    recipe = {name: value for name, value in asdict(settings).items() if name not in _NOT_IN_A_PLAN}
    files = find_encoder(settings.encoder)
    sigma = sigma_for(
        settings.epsilon, rate=settings.sampling_rate, steps=settings.rounds, delta=delta, beside=[PATIENT_COUNT]
    )
    falling = round(min(_FASTEST, _RATE_TIMES_NOISE / float(sigma)), 2)
    recipe["learning_rate"] = settings.learning_rate or (_ADAM_RATE if settings.server == "adam" else falling)
    recipe["validation_sha256"] = notes_sha256(settings.validation) if settings.validation else ""
    return Plan(
        encoder=files.name,
        encoder_sha256=files.sha256,
        labels=rule.labels,
        label_titles=dict(rule.titles),
        label_source=rule.source,
        label_mapping=dict(rule.mapping),
        sigma=sigma,
        delta=repr(delta),
        sites=tuple(sites),
        **recipe,
    )


def shares(declared: Mapping[str, int]) -> tuple[SiteShare, ...]:
    """Each site's part by its declared patients, in ten-thousandths that sum to 1."""
    total = sum(declared.values())
    parts = [round(Decimal(patients) / total, 4) for patients in declared.values()]
    parts[-1] += 1 - sum(parts)
    return tuple(
        SiteShare(name=name, patients=patients, weight=str(part))
        for (name, patients), part in zip(declared.items(), parts, strict=True)
    )


def approve_everywhere(cohorts: Sequence[Cohort], plan: Plan) -> None:
    """Agree to a plan at every site of this machine; raises what the first site that refuses says."""
    for cohort in cohorts:
        approve(cohort.site, plan, cohort.data)


def run_study(
    workspace: Workspace,
    server: Server,
    cohorts: Sequence[Cohort],
    plan: Plan,
    watch: Watch,
    *,
    validation: Path | None = None,
) -> SignedModel:
    """Prepare the cohorts of an approved plan, train, and sign the model.

    Args:
        validation: folder of the plan's public notes, where it may end early.

    Raises:
        ConfideError: a site has not approved the plan, or a round failed.
    """
    with ExitStack() as services:
        for log in (server.guard.log, *(cohort.site.guard.log for cohort in cohorts)):
            services.enter_context(log.running("training"))
        return _run_study(workspace, server, cohorts, plan, watch, validation=validation)


def _run_study(
    workspace: Workspace,
    server: Server,
    cohorts: Sequence[Cohort],
    plan: Plan,
    watch: Watch,
    *,
    validation: Path | None,
) -> SignedModel:
    classifier = plan_classifier(plan)
    start, score = trained_weights(classifier), score_for(plan, classifier, validation)
    for cohort in cohorts:
        name = cohort.site.name
        prepare(cohort.site, plan, classifier, partial(watch.counted, name), partial(watch.prepared, name))
    began = time.monotonic()
    weights = simulate(workspace, server, plan, start, watch.round_done, score=score)
    return register(workspace, server, plan, save(model_weights(classifier, weights)), time.monotonic() - began)


def budget_after(sites: Sequence[Site], plan: Plan) -> tuple[float, float]:
    """Epsilon before and after what is left of a plan, at the site where it ends highest."""
    found = []
    for site in sites:
        ledger = open_ledger(site)
        booked = [(booking.plan, booking.release) for booking in ledger.bookings() if booking.counts]
        planned = [(plan.digest, release) for release in left_to_release(ledger, plan)]
        found.append((epsilon(by_plan([*booked, *planned]), ledger.delta), ledger.spent()))
    after, before = max(found)
    return before, after


def register(workspace: Workspace, server: Server, plan: Plan, weights: bytes, seconds: float) -> SignedModel:
    """Sign the weights that a plan ended with, and put them among the models."""
    server.guard.permit(Action.SIGN_MODEL, Purpose.RESEARCH)
    trust(workspace.trusted, server.keys.public)
    model = sign_model(workspace.models, weights, model_card(plan, seconds), server.keys)
    server.guard.record(
        Event.MODEL_SIGNED,
        plan=plan.digest,
        model=model.name,
        weights=model.card["weights_sha256"],
        signer=model.signer,
    )
    return model


def register_scores(
    workspace: Workspace, server: Server, model: SignedModel, scores: Mapping[str, Mapping[str, str]]
) -> SignedModel:
    """Sign a model once more with scores in its card, in the place of the one without.

    The scores must be of synthetic or public data: a score of real patients is a release.
    """
    server.guard.permit(Action.SIGN_MODEL, Purpose.RESEARCH)
    card = {**model.card, "scores": {"data": "synthetic", **scores}}
    scored = sign_model(workspace.models, model.weights.read_bytes(), card, server.keys)
    shutil.rmtree(model.folder)
    server.guard.record(Event.MODEL_SIGNED, model=scored.name, replaces=model.name, signer=scored.signer)
    return scored


def plan_epsilon(plan: Plan) -> str:
    """What the whole plan costs each patient of a site, the count of the patients included, rounded up."""
    return epsilon_text(epsilon([plan.releases()], float(plan.delta)))


def model_card(plan: Plan, seconds: float) -> dict[str, Any]:
    """What a model says of itself: plan, epsilon per hospital, versions; never a score on private data."""
    spent = plan_epsilon(plan)
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "study": plan.study,
        "plan": plan.model_dump(mode="json"),
        "plan_sha256": plan.digest,
        "unit_of_privacy": "the patient of one hospital; a patient of two hospitals adds both up",
        "epsilon": {share.name: spent for share in plan.sites},
        "epsilon_is_of": "all rounds, and the count of each hospital's training patients that stands in the plan",
        "delta": plan.delta,
        "noise_source": f"{CHACHA20}, at each hospital",
        "training_seconds": f"{seconds:.1f}",
        "scores": {},
        "versions": {library: version(library) for library in _LIBRARIES},
        "intended_use": "diagnosis support whose basis is laid open for a professional's own review; never a diagnosis",
    }
