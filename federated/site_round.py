"""The hospital's side of a study: prepare the cohort, and give one noisy gradient a round.

Nothing of a plan runs before it was approved here, and a site's own caps hold whatever the server says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
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
    trained_weights,
    trunk_states,
)
from clinical.encoder import Classifier, Design
from clinical.manifest import MANIFEST, read_manifest
from clinical.start import start_classifier
from clinical.states import read_states, write_states
from federated.aggregation import Weights
from federated.aggregation.weights import shapes
from federated.approval import in_force, mark_prepared
from federated.cohort import check_cohort, training_part
from federated.messages import TrainOrder, TrainReply
from federated.plan import Plan, check_caps
from federated.releasing import log_release, site_random
from federated.site_receipt import check_start, refuse_start
from federated.step import private_step, update_of
from federated.withdrawal import refuse_stopped
from policies.access import Action, Purpose
from policies.errors import CohortTooSmall, IntegrityError, TrainingError
from policies.events import Event
from policies.files import OWNER_ONLY, canonical_json, file_sha256, sha256_hex, write_whole
from policies.guard import Site
from privacy.consent_book import refused
from privacy.encoders import find_encoder
from privacy.training.budget import one_training, open_ledger, spending
from privacy.training.dp_certificate import PUBLIC_CHECK
from privacy.training.dpsgd import Rows, check_gradients
from privacy.training.randomness import SecureRandom

_LAST_BITS = 1e-3  # of weights that are some tenths
_PUBLIC_ROWS = 4


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


def prepare(
    site: Site,
    plan: Plan,
    classifier: Classifier,
    count: Callable[[int], None] | None = None,
    advance: Callable[[int], None] | None = None,
) -> None:
    """Check the model on public rows, run the frozen trunk over the cohort once, and keep the states encrypted."""
    approval = in_force(site, plan.digest)
    read_manifest(approval.data, site.keys.public)
    if file_sha256(approval.data / MANIFEST) != approval.manifest:
        raise IntegrityError(f"{approval.data}: not the data that plan {plan.digest[:16]} was approved on")
    check_gradients(classifier.tail, loss_of(classifier.design), _public_rows(plan, classifier))
    dataset = training_part(site, plan, approval.data)
    check_cohort(site, dataset)  # the policy may have changed since the approval

    def counted(windows: int) -> None:
        _check_cache(site, classifier, windows)
        if count:
            count(windows)

    states = patient_states(dataset, classifier, count=counted, advance=advance)
    write_states(site.home.cache(plan.digest), site.keys.wrapping, states)
    site.guard.record(Event.COHORT_PREPARED, plan=plan.digest, patients=len(states), checks=[PUBLIC_CHECK])
    mark_prepared(site, approval)


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
    whose update was lost (a process killed within the step) is booked anew: its gradient may have been seen. Where the
    plan wants secure aggregation, the update stays here, and leaves under masks alone.

    Raises:
        ConfideError: and then nothing leaves.
    """
    plan = in_force(site, order.plan).plan
    kept = site.home.update(plan.digest, order.round)
    site.guard.permit(Action.TRAIN, Purpose.RESEARCH)
    refuse_stopped(site, plan.digest)
    check_caps(plan, site.guard.policy.training, site.guard.policy.federation)
    if not 1 <= order.round <= plan.rounds:
        raise TrainingError(f"round {order.round} of a plan with {plan.rounds}")
    with one_training(site):
        _check_start(site, plan, order)
        if not kept.exists():
            _refuse_lost(site, plan, order.round)
            random = site_random(site, plan.digest, order.round)
            with spending(site, plan.digest, order.round, plan.release_of_round(), random.source):
                ready = _ready(site, plan, order.weights)
            write_whole(kept, save(_private_step(site, plan, order.round, ready, random)))
        update = kept.read_bytes()
        log_release(site, plan.digest, order.round, sha256_hex(update), **plan.protections)
    return TrainReply(plan.digest, order.round, {} if plan.is_secure else load(update))


def _check_start(site: Site, plan: Plan, order: TrainOrder) -> None:
    """A round starts from where the one before ended, by its receipt; the first from what this site makes of the plan.

    Another machine's arithmetic may end in other last bits, so the first start is compared up to `_LAST_BITS`; that all
    sites had one and the same, they see under secure aggregation, where others would refuse their keys.

    Raises:
        IntegrityError: it starts from other weights.
    """
    if order.round == 1 and not _are_close(order.weights, _model_of(plan).start):
        refuse_start(site, plan, order.round, "does not start from the plan's own start")
    check_start(site, plan, order.round, sha256_hex(save(order.weights)), order.receipt)


def _are_close(one: Weights, other: Weights) -> bool:
    return shapes(one) == shapes(other) and all(
        np.allclose(one[name], other[name], rtol=0, atol=_LAST_BITS) for name in other
    )


def _refuse_lost(site: Site, plan: Plan, number: int) -> None:
    """Each step that is killed costs its budget anew; more than was agreed to is not spent unasked.

    Raises:
        TrainingError: a round was paid too often.
    """
    bookings = open_ledger(site).bookings()
    lost = sum(one.plan == plan.digest and one.round == number and one.counts for one in bookings)
    if lost >= site.guard.policy.federation.most_lost_updates:
        raise TrainingError(
            f"round {number} was paid {lost} times and its update was lost each time",
            "Find out what kills the process (memory, most likely), and start a new study; the policy's "
            "'most_lost_updates' says how often a round may be paid for.",
        )


@dataclass(frozen=True)
class _Ready:
    """A model with the order's weights, and the patients that were prepared."""

    classifier: Classifier
    patients: Sequence[PatientStates]


def _ready(site: Site, plan: Plan, weights: Weights) -> _Ready:
    """All that can fail without a look at a gradient, so that it fails before anything is spent."""
    classifier = _model_of(plan).classifier
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


@dataclass(frozen=True)
class _Model:
    """What a plan trains, and the weights that it starts from."""

    classifier: Classifier
    start: Weights


@lru_cache(maxsize=1)
def _model_of(plan: Plan) -> _Model:
    classifier = plan_classifier(plan)
    return _Model(classifier, trained_weights(classifier))
