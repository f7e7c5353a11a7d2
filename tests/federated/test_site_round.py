"""A hospital's side: nothing runs unapproved, nothing leaves unbooked, and a round is given once."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clinical.classifier import trained_weights
from clinical.manifest import MANIFEST
from clinical.states import read_states
from federated import approval, site_round, step
from federated.approval import Approval, approve, approved
from federated.messages import TrainOrder
from federated.node.bundle import approved_bundle
from federated.plan import Plan, SiteShare
from federated.proposals import is_approved
from federated.site_round import plan_classifier, prepare, train_round
from policies.errors import (
    AccessDenied,
    BudgetError,
    CohortTooSmall,
    ConfideError,
    IntegrityError,
    StorageError,
    TrainingError,
)
from policies.events import Entry, Event
from policies.files import canonical_json, file_sha256
from policies.guard import Site, open_site
from policies.ledger import State
from policies.workspace import Workspace
from privacy.training.budget import open_ledger
from privacy.training.randomness import CHACHA20, UNSAFE, SecureRandom
from privacy.vault.originals import Vault
from tests.clinical.notes import cohort, write
from tests.federated.hospitals import PATIENTS, hospital, order_for, plan_for, release, set_policy
from tests.policies.logs import happened

RIVER_ALONE = SiteShare(name="river", patients=9, weight="1")


def entries(site: Site) -> list[Entry]:
    return happened(site.home.audit, site.keys.public)


def order(plan: Plan, round_number: int = 1, **changes: Any) -> TrainOrder:
    return order_for(plan, round_number, trained_weights(plan_classifier(plan)) | changes)


def states(site: Site) -> list[State]:
    return [booking.state for booking in open_ledger(site).bookings()]


def data(workspace: Workspace, name: str = "north") -> Path:
    return workspace.deidentified(name)


# Approval


def test_an_approval_is_signed_kept_and_logged_in_words(workspace: Workspace, site: Site, plan: Plan) -> None:
    approve(site, plan, data(workspace))
    assert approved(site, plan.digest) == Approval(
        plan,
        data(workspace).resolve(),
        file_sha256(data(workspace) / MANIFEST),
        approved_bundle(),
        site.guard.policy.digest,
    )
    (entry,) = entries(site)
    assert entry.event == Event.PLAN_APPROVED
    assert entry.details["words"] == plan.in_words("north")


@pytest.mark.parametrize(
    "change",
    [{"sigma": "0.4"}, {"clip": "1.5"}, {"rounds": 61}, {"delta": "1e-06"}, {"sites": (RIVER_ALONE,)}],
    ids=lambda change: next(iter(change)),
)
def test_a_plan_beyond_the_caps_is_refused_and_logged(
    workspace: Workspace, site: Site, encoder: Path, change: dict[str, Any]
) -> None:
    plan = plan_for(encoder, **change)
    with pytest.raises(TrainingError) as caught:
        approve(site, plan, data(workspace))
    (entry,) = entries(site)
    assert (entry.event, entry.details["reason"]) == (Event.PLAN_REFUSED, caught.value.message)
    with pytest.raises(TrainingError, match="has not approved"):
        approved(site, plan.digest)


@pytest.mark.parametrize("patients", [1, 9])
def test_a_cohort_that_is_too_small_is_refused_and_logged(
    workspace: Workspace, site: Site, plan: Plan, patients: int
) -> None:
    release(workspace, "north", cohort(patients))
    with pytest.raises(CohortTooSmall, match=rf"{patients} training patients .* asks for 10"):
        approve(site, plan, data(workspace))
    (entry,) = entries(site)
    assert entry.event == Event.PLAN_REFUSED
    assert f"{patients} training patients" in entry.details["reason"]


def test_a_plan_that_the_budget_does_not_bear_is_refused_before_it_starts(
    workspace: Workspace, site: Site, encoder: Path
) -> None:
    with pytest.raises(BudgetError, match=r"from 0\.000 to .*, over the policy's 8"):
        approve(site, plan_for(encoder, rounds=40), data(workspace))
    assert [entry.event for entry in entries(site)] == [Event.BUDGET_REFUSED]
    assert open_ledger(site).bookings() == []


def test_who_may_not_train_may_not_approve(workspace: Workspace, plan: Plan) -> None:
    with pytest.raises(AccessDenied):
        approve(open_site(workspace, "north", "mallory"), plan, data(workspace))


def altered_number(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"plan": body["plan"] | {"sigma": "0.6"}}


def unsigned(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != "ed25519"}


@pytest.mark.parametrize(
    "alter",
    [
        altered_number,
        unsigned,
        lambda body: body | {"data": "/elsewhere"},
        lambda body: body | {"ed25519": "00" * 64},
        lambda body: body | {"ed25519": "no hex"},
        lambda body: [body],
    ],
)
def test_an_altered_approval_is_refused(workspace: Workspace, site: Site, plan: Plan, alter: Any) -> None:
    approve(site, plan, data(workspace))
    path = site.home.plan(plan.digest)
    path.write_text(json.dumps(alter(json.loads(path.read_text()))))
    with pytest.raises(IntegrityError):
        approved(site, plan.digest)
    path.write_text("{")
    with pytest.raises(IntegrityError):
        approved(site, plan.digest)


def test_an_approval_of_another_plan_or_another_site_is_none(
    workspace: Workspace, site: Site, plan: Plan, encoder: Path
) -> None:
    approve(site, plan, data(workspace))
    river, other = hospital(workspace, "river"), plan_for(encoder, study="another")
    for home, digest in ((river.home, plan.digest), (site.home, other.digest)):
        home.plan(digest).parent.mkdir(parents=True, exist_ok=True)
        home.plan(digest).write_bytes(site.home.plan(plan.digest).read_bytes())
    with pytest.raises(IntegrityError, match="does not verify"):
        approved(river, plan.digest)
    with pytest.raises(IntegrityError, match="holds another plan"):
        approved(site, other.digest)


# Preparation


def test_states_of_every_training_patient_are_kept_encrypted_and_counted(prepared: Site, plan: Plan) -> None:
    assert len(read_states(prepared.home.cache(plan.digest), prepared.keys.wrapping)) == PATIENTS
    assert [(entry.event, entry.details.get("patients")) for entry in entries(prepared)] == [
        (Event.PLAN_APPROVED, None),
        (Event.COHORT_PREPARED, PATIENTS),
    ]
    assert is_approved(prepared, plan.digest)


def test_nothing_is_prepared_for_a_plan_that_was_not_approved(site: Site, plan: Plan) -> None:
    with pytest.raises(TrainingError, match="has not approved"):
        prepare(site, plan, plan_classifier(plan))
    assert not site.home.cache(plan.digest).exists()


def test_a_model_with_a_weight_that_cannot_learn_is_not_prepared(workspace: Workspace, site: Site, plan: Plan) -> None:
    approve(site, plan, data(workspace))
    classifier = plan_classifier(plan)
    with torch.no_grad():
        classifier.tail.head.weight.zero_()
    with pytest.raises(TrainingError, match=r"lora_B.* has no gradient"):
        prepare(site, plan, classifier)


def test_data_without_the_sites_signature_is_not_trained_on(workspace: Workspace, site: Site, plan: Plan) -> None:
    write(data(workspace), cohort(12, "n"))
    with (data(workspace) / "DocumentReference.ndjson").open("a") as stream:
        stream.write("\n")
    with pytest.raises(IntegrityError, match="not what the manifest was signed over"):
        approve(site, plan, data(workspace))


def test_other_data_than_was_approved_is_not_prepared(workspace: Workspace, site: Site, plan: Plan) -> None:
    approve(site, plan, data(workspace))
    release(workspace, "north", cohort(11, "n"))
    with pytest.raises(IntegrityError, match="not the data that plan"):
        prepare(site, plan, plan_classifier(plan))


def test_another_encoder_than_the_plans_is_refused(encoder: Path) -> None:
    with pytest.raises(IntegrityError, match="not the plan's"):
        plan_classifier(plan_for(encoder, encoder_sha256="0" * 64))


# Rounds


def test_a_round_is_booked_kept_and_logged(prepared: Site, plan: Plan) -> None:
    reply = train_round(prepared, order(plan))
    assert (reply.plan, reply.round, reply.refusal) == (plan.digest, 1, 0)
    (booking,) = open_ledger(prepared).bookings()
    assert (booking.plan, booking.round, booking.release) == (plan.digest, 1, plan.release_of_round())
    assert booking.state is State.SPENT
    *_, booked, released = entries(prepared)
    assert booked.details["noise"] == CHACHA20
    assert (booked.event, booked.details["release"]) == (Event.BUDGET_SPENT, plan.release_of_round().as_details())
    assert released.event == Event.UPDATE_RELEASED
    assert released.details["sha256"] == file_sha256(prepared.home.update(plan.digest, 1))
    in_force = {"aggregation": "mean", "sigma": plan.sigma, "clip": plan.clip}
    assert in_force.items() <= released.details.items()


def test_a_round_asked_for_again_gives_the_same_bytes_and_costs_nothing(prepared: Site, plan: Plan) -> None:
    first = train_round(prepared, order(plan))
    logged = len(entries(prepared))
    again = train_round(prepared, order(plan))
    assert all(np.array_equal(first.gradient[name], again.gradient[name]) for name in first.gradient)
    assert len(open_ledger(prepared).bookings()) == 1
    assert len(entries(prepared)) == logged


def test_two_rounds_have_noise_of_their_own_at_the_plans_scale(prepared: Site, plan: Plan) -> None:
    updates = [train_round(prepared, order(plan, number)).gradient for number in (1, 2)]
    one, two = (np.concatenate([update[name].ravel() for name in sorted(update)]) for update in updates)
    scale = float(plan.sigma) * float(plan.clip) / (float(plan.sampling_rate) * plan.share("north").patients)
    # The clipped sums of both rounds differ by less than twelve clips, spread over 227 numbers.
    assert np.std(one - two) == pytest.approx(np.sqrt(2) * scale, rel=0.3)
    assert (one != two).all()


def test_what_is_released_is_the_noisy_gradient_of_the_sampled_patients_over_the_declared_number(
    prepared: Site, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings are the plan's own, and the noise the secure one."""
    seen: dict[str, Any] = {}
    real = step.private_gradient

    def spy(model: Any, loss: Any, rows: Any, sample: Any, how: Any, **more: Any) -> Any:
        seen.update(sample=sample, how=how, more=more)
        return real(model, loss, rows, sample, how, **more)

    monkeypatch.setattr(step, "private_gradient", spy)
    train_round(prepared, order(plan))
    assert (seen["how"].sigma, seen["how"].clip, seen["how"].rate, seen["how"].patients) == (2.0, 1.0, 0.9, 10)
    assert set(seen["sample"]) <= set(range(PATIENTS))
    assert seen["more"]["random"].source == CHACHA20


def test_an_empty_sample_is_noise_alone_and_is_booked_like_any_step(
    prepared: Site, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SecureRandom, "choose", lambda *_: [])
    update = np.concatenate([part.ravel() for part in train_round(prepared, order(plan)).gradient.values()])
    assert np.std(update) == pytest.approx(2.0 * 1.0 / (0.9 * 10), rel=0.25)
    assert len(open_ledger(prepared).bookings()) == 1


@pytest.mark.parametrize("number", [0, -1, 3, 10**6])
def test_a_round_beyond_the_plan_is_refused_and_books_nothing(prepared: Site, plan: Plan, number: int) -> None:
    with pytest.raises(TrainingError, match="of a plan with 2"):
        train_round(prepared, order(plan, number))
    assert open_ledger(prepared).bookings() == []


def test_a_round_of_a_plan_that_was_not_approved_is_refused(prepared: Site, encoder: Path) -> None:
    with pytest.raises(TrainingError, match="has not approved"):
        train_round(prepared, order(plan_for(encoder, study="another")))
    assert open_ledger(prepared).bookings() == []


@pytest.mark.parametrize(
    ("key", "value"), [("smallest_noise", 2.5), ("most_rounds", 1), ("epsilon", 0.5), ("threads", 2)]
)
def test_a_policy_that_changed_after_the_approval_asks_anew(
    workspace: Workspace, prepared: Site, plan: Plan, key: str, value: float
) -> None:
    set_policy(workspace, **{key: value})
    site = hospital(workspace)
    with pytest.raises(TrainingError, match="under another policy"):
        train_round(site, order(plan))
    assert open_ledger(site).bookings() == []
    assert entries(site)[-1].event == Event.RUN_REFUSED


def test_another_version_of_the_code_asks_anew(prepared: Site, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approval, "approved_bundle", lambda: "00" * 32)
    with pytest.raises(TrainingError, match="another version"):
        train_round(prepared, order(plan))


def test_a_round_from_two_starts_is_refused(prepared: Site, plan: Plan) -> None:
    first = order(plan, 2)
    train_round(prepared, first)
    other = {name: array + 1 for name, array in first.weights.items()}
    with pytest.raises(IntegrityError, match="the server showed before"):
        train_round(prepared, replace(first, weights=other))
    assert entries(prepared)[-1].event == Event.RUN_REFUSED


@pytest.mark.parametrize(
    "change",
    [
        {"head.bias": np.zeros(9, np.float32)},
        {"head.bias": np.full(3, np.nan, np.float32)},
        {"more": np.zeros(1, np.float32)},
    ],
)
def test_weights_that_do_not_fit_cost_nothing(prepared: Site, plan: Plan, change: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match="the plan's own start"):
        train_round(prepared, order(plan, **change))
    assert states(prepared) == []
    with pytest.raises(TrainingError, match="order cannot be followed"):
        train_round(prepared, order(plan, 2, **change))
    assert states(prepared) == [State.REFUNDED]
    assert open_ledger(prepared).spent() == 0
    assert entries(prepared)[-1].event == Event.BUDGET_REFUNDED


def test_a_cohort_that_erasure_made_too_small_is_refused_before_anything_is_spent(prepared: Site, plan: Plan) -> None:
    vault = Vault(prepared.home.cache(plan.digest), prepared.keys.wrapping)
    everyone = [patient for patient, _ in vault.kept()]
    vault.erase(everyone[0])
    vault.erase(everyone[1])
    train_round(prepared, order(plan))  # ten are left
    vault.erase(everyone[2])
    with pytest.raises(CohortTooSmall, match="9 patients are prepared"):
        train_round(prepared, order(plan, 2))
    assert states(prepared) == [State.SPENT, State.REFUNDED]


def test_it_is_spent_and_logged_before_the_first_gradient_and_never_taken_back(
    prepared: Site, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        assert states(prepared) == [State.SPENT]
        assert entries(prepared)[-1].event == Event.BUDGET_SPENT
        raise StorageError("the disk is full")

    with monkeypatch.context() as patch, pytest.raises(ConfideError, match="the disk is full"):
        patch.setattr(site_round, "private_step", failing)
        train_round(prepared, order(plan))
    assert states(prepared) == [State.SPENT]
    assert not prepared.home.update(plan.digest, 1).exists()
    train_round(prepared, order(plan))
    assert states(prepared) == [State.SPENT, State.SPENT]  # the first one's gradient may have been seen


def test_a_step_that_is_killed_again_and_again_does_not_spend_the_whole_budget(
    workspace: Workspace, prepared: Site, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    set_policy(workspace, most_lost_updates=3)
    site = hospital(workspace)
    approve(site, plan, data(workspace))
    monkeypatch.setattr(site_round, "private_step", killed)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            train_round(site, order(plan))
    with pytest.raises(TrainingError, match="paid 3 times and its update was lost"):
        train_round(site, order(plan))
    assert states(site) == [State.SPENT] * 3


def test_an_update_that_was_stored_and_never_answered_is_sent_as_it_is(
    prepared: Site, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(site_round, "log_release", lambda *_, **__: (_ for _ in ()).throw(RuntimeError()))
        train_round(prepared, order(plan))
    stored = file_sha256(prepared.home.update(plan.digest, 1))
    train_round(prepared, order(plan))
    assert entries(prepared)[-1].details["sha256"] == stored
    assert states(prepared) == [State.SPENT]


def test_noise_with_a_seed_repeats_and_the_log_says_that_it_is_unsafe(
    tmp_path: Path, workspace: Workspace, plan: Plan
) -> None:
    policy = workspace.policy.read_text().replace("# UNSAFE_noise_seed = 1", "UNSAFE_noise_seed = 1")
    workspace.policy.write_text(policy)
    updates = []
    for name in ("one", "other"):
        copy = Workspace(tmp_path / name)
        shutil.copytree(workspace.root, copy.root)
        site = hospital(copy)
        approve(site, plan, data(copy))
        prepare(site, plan, plan_classifier(plan))
        updates.append(train_round(site, order(plan)).gradient["head.bias"])
        assert [e.details["noise"] for e in entries(site) if e.event == Event.BUDGET_SPENT] == [UNSAFE]
    assert (updates[0] == updates[1]).all()


def test_the_loss_stays_at_the_site_and_no_entry_holds_it(prepared: Site, plan: Plan) -> None:
    reply = train_round(prepared, order(plan))
    (row,) = [json.loads(line) for line in prepared.home.scores(plan.digest).read_text().splitlines()]
    assert row["round"] == 1
    assert set(reply.gradient) == set(order(plan).weights)
    assert not any(row["loss"] in canonical_json(dict(entry.details)).decode() for entry in entries(prepared))
