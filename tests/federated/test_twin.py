"""The synthetic twin: whose updates are attacked, and that the attack sees what a fault of the step would cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clinical.classifier import PatientStates, soft_cross_entropy
from federated import drills, step
from federated.drills import Sizes, audit_plan
from federated.plan import Plan, SiteShare
from federated.site_round import plan_classifier
from federated.twin import Twin, first_note, one_site, without_privacy
from policies.errors import IntegrityError
from privacy.audit.one_run import OneRun, audit
from privacy.training.accounting import epsilon
from privacy.training.dpsgd import StepSettings, private_gradient
from privacy.training.randomness import SecureRandom
from tests.federated.hospitals import plan_for

LABELS = tuple("abcdefghijklmnopqrst")
MANY_LABELS = tuple(map(str, range(200)))  # two canaries of one label cannot be told apart by the head's bias
CANARIES, KNOWN = 240, 10
Change = Callable[[StepSettings], StepSettings]


@pytest.fixture(scope="module")
def plan(encoder: Path) -> Plan:
    """One hospital, epsilon 0.9; the server hardly moves, since the audit is of what it is sent.

    The clip is far under what a canary's gradient has of itself (about 1, since features have unit length).
    """
    settled = plan_for(encoder, labels=MANY_LABELS, rounds=4, sigma="8.0", clip="0.05", learning_rate=0.01, lora_rank=8)
    return one_site(settled, KNOWN)


@pytest.fixture(scope="module")
def model(plan: Plan) -> Twin:
    return Twin(plan)


def one_run(model: Twin, plan: Plan) -> OneRun:
    canaries, known = model.canaries(CANARIES), model.canaries(KNOWN)
    inside = model.coins(CANARIES)
    run = model.train(plan, {"twin": [*known, *(own for own, into in zip(canaries, inside, strict=True) if into)]})
    return audit(model.canary_scores(plan, run, known, canaries), inside, float(plan.delta))


def change_steps(monkeypatch: pytest.MonkeyPatch, change: Change) -> None:
    """Every private step is taken with other settings than the plan says, as a fault of it would."""

    def faulty(model: Any, loss: Any, rows: Any, sample: Any, settings: StepSettings, **more: Any) -> Any:
        return private_gradient(model, loss, rows, sample, change(settings), **more)

    monkeypatch.setattr(step, "private_gradient", faulty)


def claim(plan: Plan) -> float:
    return epsilon([plan.releases()], float(plan.delta))


# One run


def test_the_audit_does_not_refute_a_true_claim(plan: Plan) -> None:
    """Seeded, since a 95 % bound may refute a true claim in one run of twenty."""
    found = one_run(Twin(plan, SecureRandom.unsafe("a true claim")), plan)
    assert 0.5 < claim(plan) < 1.2 < found.ceiling
    assert found.lower <= claim(plan)


@pytest.mark.parametrize(
    "change",
    [
        lambda settings: replace(settings, sigma=settings.sigma * 1e-6),
        lambda settings: replace(settings, clip=1000.0, sigma=settings.sigma * settings.clip / 1000),
    ],
    ids=["noise x 1e-6", "clip removed"],
)
def test_the_audit_refutes_the_claim_of_a_step_that_is_broken(
    model: Twin, plan: Plan, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    change_steps(monkeypatch, change)
    assert one_run(model, plan).lower > claim(plan)


def test_a_canary_scores_by_what_it_added(model: Twin, plan: Plan) -> None:
    """Without noise the score of a lone canary is rounds x rate x half the squared clip, up or down."""
    quiet = plan.model_copy(update={"sigma": "0", "sampling_rate": "1"})
    canary = model.canaries(1)
    inside, outside = model.train(quiet, {"twin": canary}), model.train(quiet, {"twin": []})
    (high,), (low,) = (model.canary_scores(quiet, run, [], canary) for run in (inside, outside))
    assert high == pytest.approx(4 * 0.05**2 / 2, rel=1e-3)
    assert low == pytest.approx(-4 * 0.05**2 / 2, rel=1e-3)


def test_the_auditor_knows_each_gradient_as_the_step_clips_it(model: Twin, plan: Plan) -> None:
    canaries = model.canaries(3)
    rows = model._clipped(model.start, canaries, 0.5)
    tail = plan_classifier(plan).tail
    for canary, row in zip(canaries, rows, strict=True):
        states, mask = torch.from_numpy(canary.states).float(), torch.from_numpy(canary.mask).long()
        loss = soft_cross_entropy(tail(states[None], mask[None]), torch.from_numpy(canary.targets)).sum()
        own = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(tail.trained().values()))])
        assert own.norm() > 0.5
        np.testing.assert_allclose(row, (own / own.norm() * 0.5).numpy(), rtol=1e-3, atol=1e-5)


# Training


def test_the_twin_is_trained_at_every_site_with_its_weight(encoder: Path) -> None:
    plan = plan_for(encoder, sigma="0", sampling_rate="1", momentum=0.0)
    three = Twin(plan)
    cohorts = {share.name: three.canaries(10) for share in plan.sites}
    run = three.train(plan, cohorts)
    assert len(run.updates) == plan.rounds == len(run.orders) - 1
    name = "head.bias"
    mean = sum(float(share.weight) * run.updates[0][share.name][name] for share in plan.sites)
    np.testing.assert_allclose(run.orders[1][name], run.orders[0][name] - plan.learning_rate * mean, rtol=1e-5)
    assert not np.array_equal(run.updates[0]["north"][name], run.updates[0]["river"][name])


def test_without_privacy_the_twin_remembers(model: Twin, plan: Plan) -> None:
    few, others = model.canaries(12), model.canaries(50)
    run = model.train(without_privacy(plan, 12, 40), {"twin": few})
    assert model.losses(run.weights, few).mean() < 0.5 * model.losses(model.start, few).mean()
    assert model.losses(run.weights, few).max() < np.median(model.losses(run.weights, others))
    assert (without_privacy(plan, 12, 40).sigma, without_privacy(plan, 12, 40).rounds) == ("0", 40)


# Made-up people


def test_made_up_patients_have_notes_of_their_own_and_labels_of_the_plan(encoder: Path) -> None:
    three = Twin(plan_for(encoder))
    told: list[None] = []
    people, again, others = (
        three.patients(0, numbers, lambda: told.append(None)) for numbers in (range(6), range(6), range(6, 12))
    )
    assert len(people) == 6
    assert len(told) == 18
    assert all(np.array_equal(one.states, two.states) for one, two in zip(people, again, strict=True))
    first = {one.states.tobytes() for one in people}
    assert len(first) == 6
    assert not first & {one.states.tobytes() for one in others}
    assert np.concatenate([one.targets for one in people + others]).sum(0).min() > 0
    several = next(one for one in people if len(one.targets) > 1)
    first_alone = first_note(several)
    states, mask = several.of_note(0)
    assert np.array_equal(first_alone.states, states)
    assert np.array_equal(first_alone.mask, mask)
    assert np.array_equal(first_alone.targets, several.targets[:1])


# The whole audit


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """People of random states in place of notes, which take long to write; gives who was asked for, by place."""
    asked: list[tuple[int, int]] = []

    def patients(self: Twin, place: int, numbers: Sequence[int], told: Callable[[], None]) -> list[PatientStates]:
        asked.extend((place, number) for number in numbers)
        for _ in numbers:
            told()
        return self.canaries(len(numbers))

    monkeypatch.setattr(Twin, "patients", patients)
    return asked


SMALL = Sizes(canaries=60, few=12, epochs=30, reference=12, attacked=12)


def test_a_whole_audit_tells_the_plan_from_no_privacy(
    encoder: Path, made_up: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = tuple(SiteShare(name=name, patients=20, weight="0.5") for name in ("north", "river"))
    plan = plan_for(encoder, labels=LABELS, sites=shares, sigma="10.0", learning_rate=0.05)
    monkeypatch.setattr(drills, "Twin", partial(Twin, random=SecureRandom.unsafe("a whole audit")))
    stages: dict[str, tuple[int, int]] = {}
    report = audit_plan(plan, SMALL, lambda stage, done, total: stages.update({stage: (done, total)}))
    assert report.plan == plan.digest
    assert report.epsilon == claim(plan)
    assert report.private.loss.members == 40
    assert report.private.loss.others == 1000
    assert report.private.loss.interval[0] < 0.6
    assert report.plain.loss.interval[0] > 0.9
    assert report.sees
    assert (report.plain.inversion.retrieved, report.plain.inversion.labels) == (1.0, 1.0)
    assert report.private.inversion.retrieved < 0.2
    report.check()
    assert len(made_up) == len(set(made_up)) == 40 + 1000 + 12  # nobody is a member and somebody else at once
    assert all(done == total for done, total in stages.values())


def test_the_twin_has_the_encoder_of_the_plan_or_none(encoder: Path) -> None:
    with pytest.raises(IntegrityError, match="not the plan's"):
        Twin(plan_for(encoder, encoder_sha256="0" * 64))


def test_a_plan_for_numbers_alone_keeps_its_target() -> None:
    plan = drills.made_up_plan(200, 3.0)
    assert [share.patients for share in plan.sites] == [200] * 3
    assert sum(float(share.weight) for share in plan.sites) == pytest.approx(1.0)
    assert 2.9 < claim(plan) <= 3.0
    assert float(drills.made_up_plan(20_000, 3.0).delta) == 5e-6
