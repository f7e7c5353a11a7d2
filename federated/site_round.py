"""The hospital's side of a study: approve a plan, prepare the cohort, and give one noisy gradient a round.

Nothing of a plan runs before it was approved here, and a site's own caps hold whatever the server says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from safetensors.numpy import load, save

from clinical.classifier import (
    PatientStates,
    cut_for,
    loss_of,
    padded,
    patient_states,
    set_trained_weights,
    state_bytes,
    trunk_states,
)
from clinical.dataset import Dataset, read_dataset, split
from clinical.encoder import Classifier, Design
from clinical.labels import LabelRule, LabelSource
from clinical.manifest import MANIFEST, read_manifest
from clinical.start import start_classifier
from clinical.states import read_states, write_states
from federated.aggregate import Weights
from federated.messages import TrainOrder, TrainReply
from federated.plan import Plan, check_caps
from federated.step import private_step, update_of
from federated.withdrawal import refuse_stopped
from policies.access import Action, Purpose
from policies.audit import read_entries
from policies.errors import BudgetError, CohortTooSmall, ConfideError, IntegrityError, TrainingError
from policies.events import Event
from policies.files import OWNER_ONLY, canonical_json, file_sha256, sha256_hex, write_whole
from policies.guard import Site
from policies.ledger import Ledger
from policies.releases import Release
from policies.retention import releases_of
from privacy.consent_book import refused
from privacy.encoders import find_encoder
from privacy.training.budget import one_training, open_ledger, spending
from privacy.training.dp_certificate import PUBLIC_CHECK
from privacy.training.dpsgd import Rows, check_gradients
from privacy.training.randomness import SecureRandom

_PUBLIC_ROWS = 4


def label_rule(plan: Plan) -> LabelRule:
    return LabelRule(LabelSource(plan.label_source), plan.labels, plan.label_mapping, plan.label_titles)


def plan_classifier(plan: Plan) -> Classifier:
    """The encoder and tail that a plan names.

    Raises:
        IntegrityError: the encoder on this machine is not the plan's.
    """
    files = find_encoder(plan.encoder)
    if files.sha256 != plan.encoder_sha256:
        raise IntegrityError(
            f"the encoder '{plan.encoder}' on this machine is not the plan's", "Install the same file."
        )
    classifier = start_classifier(files, Design.of(plan.model_dump(mode="json")))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    classifier.trunk.to(device)
    classifier.tail.to(device)
    return classifier


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
    body = {"plan": plan.model_dump(mode="json"), "data": str(data.resolve()), "manifest": manifest}
    signature = site.keys.sign(canonical_json(body)).hex()
    write_whole(site.home.plan(plan.digest), canonical_json({**body, "ed25519": signature}) + b"\n")
    site.guard.record(Event.PLAN_APPROVED, plan=plan.digest, manifest=manifest, words=plan.in_words(site.name))


def check_plan(site: Site, plan: Plan, data: Path, beside: Sequence[Release] = ()) -> Dataset:
    """The patients on whom this site would train by a plan; a refusal is logged. Raises as `approve`.

    Args:
        beside: what else of the plan is still to be released.
    """
    try:
        check_caps(plan, site.guard.policy.training)
        plan.share(site.name)
        read_manifest(data, site.keys.public)
        dataset = training_part(site, plan, data)
        _check_cohort(site, dataset)
        ledger = open_ledger(site)
        ledger.afford(plan.digest, [*beside, *left_to_release(ledger, plan)])
    except ConfideError as error:
        event = Event.BUDGET_REFUSED if type(error) is BudgetError else Event.PLAN_REFUSED
        site.guard.record(event, plan=plan.digest, reason=error.message)
        raise
    return dataset


def left_to_release(ledger: Ledger, plan: Plan) -> list[Release]:
    """A step for each round of a plan that was not booked yet."""
    booked = {booking.round for booking in ledger.bookings() if booking.plan == plan.digest and booking.counts}
    return [plan.release_of_round()] * (plan.rounds - len(booked))


@dataclass(frozen=True)
class Approval:
    """A plan that a site agreed to, on the de-identified data of a folder with this manifest."""

    plan: Plan
    data: Path
    manifest: str


def approved(site: Site, digest: str) -> Approval:
    """What this site approved.

    Raises:
        TrainingError: it did not.
        IntegrityError: the approval was altered.
    """
    try:
        body = json.loads(site.home.plan(digest).read_bytes())
        signature = bytes.fromhex(body.pop("ed25519"))
        site.keys.public.verify_document(signature, canonical_json(body))
        approval = Approval(Plan.model_validate(body["plan"]), Path(body["data"]), body["manifest"])
    except FileNotFoundError:
        raise TrainingError(f"site '{site.name}' has not approved plan {digest[:16]}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise IntegrityError(f"the approval of plan {digest[:16]} was altered") from None
    if approval.plan.digest != digest:
        raise IntegrityError(f"the approval of plan {digest[:16]} holds another plan")
    return approval


def training_part(site: Site, plan: Plan, data: Path) -> Dataset:
    """The patients that a plan trains on: neither held back for the site's own evaluation nor refusing research."""
    dataset = split(read_dataset(data, label_rule(plan)), plan.split_key, plan.held_back)[0]
    refusing = refused(site, Purpose.RESEARCH, dataset.patients)
    return dataset.only([patient for patient in dataset.patients if patient not in refusing])


def prepare(
    site: Site,
    plan: Plan,
    classifier: Classifier,
    count: Callable[[int], None] | None = None,
    advance: Callable[[int], None] | None = None,
) -> None:
    """Check the model on public rows, run the frozen trunk over the cohort once, and keep the states encrypted."""
    approval = approved(site, plan.digest)
    read_manifest(approval.data, site.keys.public)
    if file_sha256(approval.data / MANIFEST) != approval.manifest:
        raise IntegrityError(f"{approval.data}: not the data that plan {plan.digest[:16]} was approved on")
    check_gradients(classifier.tail, loss_of(classifier.design), _public_rows(plan, classifier))
    dataset = training_part(site, plan, approval.data)
    _check_cohort(site, dataset)  # the policy may have changed since the approval

    def counted(windows: int) -> None:
        _check_cache(site, classifier, windows)
        if count:
            count(windows)

    states = patient_states(dataset, classifier, count=counted, advance=advance)
    write_states(site.home.cache(plan.digest), site.keys.wrapping, states)
    site.guard.record(Event.COHORT_PREPARED, plan=plan.digest, patients=len(states), checks=[PUBLIC_CHECK])


def _check_cache(site: Site, classifier: Classifier, windows: int) -> None:
    largest = site.guard.policy.training.largest_cache_bytes
    if (needed := windows * state_bytes(classifier)) > largest:
        raise TrainingError(
            f"the cache of {windows} windows would take {needed:,} bytes; the policy allows {largest:,}",
            "Read fewer windows of a note, or let the compliance officer raise 'largest_cache_bytes'.",
        )


def train_round(site: Site, order: TrainOrder) -> TrainReply:
    """One round at one hospital: book the release, compute one private step, keep the noisy update, then hand it out.

    A round that was answered before is answered with the same bytes and costs nothing more. One that was spent and
    whose update was lost (a process killed within the step) is booked anew: its gradient may have been seen.

    Raises:
        ConfideError: and then nothing leaves.
    """
    plan = approved(site, order.plan).plan
    place = [share.name for share in plan.sites].index(site.name)
    kept = site.home.update(plan.digest, order.round)
    site.guard.permit(Action.TRAIN, Purpose.RESEARCH)
    refuse_stopped(site, plan.digest)
    check_caps(plan, site.guard.policy.training)
    if not 1 <= order.round <= plan.rounds:
        raise TrainingError(f"round {order.round} of a plan with {plan.rounds}")
    with one_training(site):
        if not kept.exists():
            random = site_random(site, plan.digest, order.round)
            with spending(site, plan.digest, order.round, plan.release_of_round(), random.source):
                ready = _ready(site, plan, order.weights)
            write_whole(kept, save(_private_step(site, plan, order.round, ready, random)))
        update = kept.read_bytes()
        log_release(site, plan.digest, order.round, sha256_hex(update))
    return TrainReply(plan.digest, order.round, place, load(update))


def site_random(site: Site, what: str, number: int) -> SecureRandom:
    """Chance for one release, from the operating system unless the policy says UNSAFE."""
    seed = site.guard.policy.training.UNSAFE_noise_seed
    return SecureRandom() if seed is None else SecureRandom.unsafe(seed, site.name, what, number)


def log_release(site: Site, what: str, number: int, sha256: str) -> None:
    """What is released leaves only with its hash in the log, and never as other bytes than those of the first time.

    Args:
        what: the plan of a round, or what was counted.

    Raises:
        IntegrityError: what was kept was altered.
    """
    place = {"plan": what, "round": number}
    known = [
        entry.details["sha256"]
        for entry in releases_of(read_entries(site.home.audit, site.keys.public))
        if entry.event is Event.UPDATE_RELEASED and place.items() <= entry.details.items()
    ]
    if not known:
        site.guard.record(Event.UPDATE_RELEASED, **place, sha256=sha256)
    elif sha256 not in known:
        raise IntegrityError(f"the kept update of round {number} is not the one that was released")


def _check_cohort(site: Site, dataset: Dataset) -> None:
    smallest = site.guard.policy.training.smallest_cohort
    if not dataset.patients:
        raise CohortTooSmall(
            f"site '{site.name}' has no note with a label of the set, so nothing is trained",
            "Check --label-source, and whether the label file names the codes of this export.",
        )
    if len(dataset.patients) < smallest:
        raise CohortTooSmall(
            f"site '{site.name}' has {len(dataset.patients)} training patients with a label, after some were "
            f"held back; its policy asks for {smallest}, so nothing is trained"
        )


@dataclass(frozen=True)
class _Ready:
    """A model with the order's weights, and the patients that were prepared."""

    classifier: Classifier
    patients: Sequence[PatientStates]


def _ready(site: Site, plan: Plan, weights: Weights) -> _Ready:
    """All that can fail without a look at a gradient, so that it fails before anything is spent."""
    classifier = _classifier_of(plan)
    try:
        set_trained_weights(classifier, weights)
    except ValueError as error:
        raise TrainingError(f"an order cannot be followed: {error}") from None
    states = read_states(site.home.cache(plan.digest), site.keys.wrapping)
    if refused(site, Purpose.RESEARCH, tuple(states)):
        raise IntegrityError(
            f"a patient of the cohort of plan {plan.digest[:16]} refuses research, so it goes no further",
            "Start a new study; it is drafted without this patient.",
        )
    patients = tuple(states.values())
    smallest = site.guard.policy.training.smallest_cohort
    if len(patients) < smallest:
        raise CohortTooSmall(f"{len(patients)} patients are prepared at '{site.name}', its policy asks for {smallest}")
    return _Ready(classifier, patients)


def _private_step(site: Site, plan: Plan, round_number: int, ready: _Ready, random: SecureRandom) -> Weights:
    torch.set_num_threads(site.guard.policy.training.threads)
    result = private_step(plan, site.name, ready.classifier, ready.patients, random)
    _keep_loss(site, plan, round_number, result.loss)
    return update_of(result)


def _keep_loss(site: Site, plan: Plan, round_number: int, loss: float) -> None:
    path = site.home.scores(plan.digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(OWNER_ONLY)
    with path.open("ab") as stream:
        stream.write(canonical_json({"round": round_number, "loss": f"{loss:.6f}"}) + b"\n")


def _public_rows(plan: Plan, classifier: Classifier) -> Rows:
    """The plan's own label titles as input: public text, each with another target, two of one person."""
    titles = classifier.design.titles[:_PUBLIC_ROWS]
    inputs = padded(trunk_states(classifier, [cut_for(classifier, title) for title in titles]))
    owner = torch.arange(len(titles)).sub(int(len(titles) > 2)).clamp(min=0)  # two patients at least, to see a leak
    return Rows(inputs, torch.eye(len(plan.labels))[: len(titles)], owner)


@lru_cache(maxsize=1)
def _classifier_of(plan: Plan) -> Classifier:
    return plan_classifier(plan)
