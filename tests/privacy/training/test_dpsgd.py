"""One private step, held against plain arithmetic: whose rows are added up, what is clipped, how much noise, what
divides."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from policies.errors import TrainingError
from privacy.training import dpsgd
from privacy.training.dpsgd import (
    PATIENTS_AT_ONCE,
    PatientGradients,
    Rows,
    StepSettings,
    check_gradients,
    clipped,
    private_gradient,
)
from privacy.training.lattice import noisy_sum
from privacy.training.randomness import SecureRandom

CLIP = 0.5
QUIET = StepSettings(sigma=0.0, clip=CLIP, rate=0.8, patients=50)
WINDOWS, WIDTH, LABELS = 3, 4, 3


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits, targets, reduction="none")


class Pooled(nn.Module):
    """As the real model: a layer that sees every window by itself, then a head that sees their mean, `[B, W, 4]`."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(WIDTH, 5), nn.Linear(5, LABELS)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(torch.tanh(self.layer(inputs.flatten(0, 1))).reshape(*inputs.shape[:2], 5).mean(1))


def model_of(seed: int = 0) -> Pooled:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Pooled()


class Cohort:
    """Made-up patients of one to three rows each; a patient's size makes for small and huge gradients."""

    def __init__(self, patients: int, seed: int = 0, largest: float = 3) -> None:
        random = np.random.default_rng(seed)
        self.inputs, self.targets = [], []
        for _ in range(patients):
            rows, size = random.integers(1, 4), 10.0 ** random.uniform(-2, largest)
            self.inputs.append(torch.from_numpy(random.normal(size=(rows, WINDOWS, WIDTH)) * size).float())
            self.targets.append(torch.eye(LABELS)[random.integers(LABELS, size=rows)])

    def rows(self, sample: Sequence[int]) -> Rows:
        owner = [place for place, patient in enumerate(sample) for _ in self.targets[patient]]
        inputs, targets = (torch.cat([part[patient] for patient in sample]) for part in (self.inputs, self.targets))
        return Rows((inputs,), targets, torch.tensor(owner))


def flat(gradient: dict[str, Tensor]) -> Tensor:
    return torch.cat([part.flatten() for part in gradient.values()]).double()


def step(
    cohort: Cohort, sample: Sequence[int], how: StepSettings = QUIET, model: nn.Module | None = None, **more: object
) -> Tensor:
    found = private_gradient(model or model_of(), cross_entropy, cohort.rows, sample, how, **more)  # type: ignore[arg-type]
    return flat(found.gradient)


def noise_free_sum(cohort: Cohort, sample: Sequence[int], **more: object) -> Tensor:
    return step(cohort, sample, **more) * QUIET.rate * QUIET.patients  # type: ignore[arg-type]


def one_by_one(cohort: Cohort, sample: Sequence[int]) -> Tensor:
    """The gradient of each patient on its own, window by window and row by row, without hooks, `[P, D]`."""
    model = model_of()
    parameters = list(model.parameters())
    found = []
    for patient in sample:
        own = cohort.rows([patient])
        loss = cross_entropy(model(*own.inputs), own.targets).sum()
        found.append(torch.cat([part.flatten() for part in torch.autograd.grad(loss, parameters)]).double())
    return torch.stack(found)


def by_hand(cohort: Cohort, sample: Sequence[int]) -> Tensor:
    """Each patient's gradient on its own, shortened, added up."""
    own = one_by_one(cohort, sample)
    return sum((row * min(1.0, CLIP / float(row.norm())) for row in own), torch.zeros(own.shape[1]).double())


# The unit is the patient


def test_a_patients_rows_are_added_up_before_they_are_clipped() -> None:
    """The same large row three times is one patient who moves the sum by one clip, and three who move it by three."""
    cohort = Cohort(4, largest=0)
    cohort.inputs = [torch.ones(rows, WINDOWS, WIDTH) for rows in (3, 1, 1, 1)]
    cohort.targets = [torch.eye(LABELS)[[0] * rows] for rows in (3, 1, 1, 1)]
    assert one_by_one(cohort, [1]).norm() > CLIP
    assert noise_free_sum(cohort, [0]).norm() == pytest.approx(CLIP, rel=1e-6)
    assert noise_free_sum(cohort, [1, 2, 3]).norm() == pytest.approx(3 * CLIP, rel=1e-6)


def test_rows_that_contradict_each_other_cancel_before_they_are_clipped() -> None:
    cohort = Cohort(1)
    cohort.inputs, cohort.targets = [torch.zeros(3, WINDOWS, WIDTH)], [torch.eye(LABELS)]
    model = model_of()
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
    assert noise_free_sum(cohort, [0], model=model).norm() < 1e-6


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 90), st.data())
def test_a_patient_more_or_less_moves_the_sum_by_at_most_the_clip(seed: int, count: int, data: st.DataObject) -> None:
    cohort, left_out = Cohort(count, seed), data.draw(st.integers(0, count - 1))
    others = [patient for patient in range(count) if patient != left_out]
    moved = noise_free_sum(cohort, range(count)) - noise_free_sum(cohort, others)
    assert moved.norm() <= CLIP * (1 + 1e-4)  # the sums come out in single precision


def test_owners_need_not_stand_in_order() -> None:
    cohort, order = Cohort(5), torch.randperm(100, generator=torch.Generator().manual_seed(1))

    def shuffled(sample: Sequence[int]) -> Rows:
        rows = cohort.rows(sample)
        some = order[order < len(rows.owner)]
        return Rows((rows.inputs[0][some],), rows.targets[some], rows.owner[some])

    found = private_gradient(model_of(), cross_entropy, shuffled, range(5), QUIET)
    torch.testing.assert_close(flat(found.gradient), step(cohort, range(5)), rtol=1e-4, atol=1e-6)


# Clipping


@pytest.mark.parametrize("count", [1, 5, PATIENTS_AT_ONCE, PATIENTS_AT_ONCE + 1, 2 * PATIENTS_AT_ONCE + 20])
def test_the_sum_is_that_of_patients_clipped_one_by_one(count: int) -> None:
    cohort = Cohort(count)
    torch.testing.assert_close(
        noise_free_sum(cohort, range(count)), by_hand(cohort, range(count)), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_how_many_are_done_at_once_changes_nothing_but_time(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    cohort, how = Cohort(30), StepSettings(sigma=1.0, clip=CLIP, rate=0.8, patients=50)
    before = private_gradient(model_of(), cross_entropy, cohort.rows, range(30), how, random=SecureRandom.unsafe(1))
    monkeypatch.setattr(dpsgd, "PATIENTS_AT_ONCE", at_once)
    after = private_gradient(model_of(), cross_entropy, cohort.rows, range(30), how, random=SecureRandom.unsafe(1))
    torch.testing.assert_close(flat(after.gradient), flat(before.gradient), rtol=1e-4, atol=1e-5)
    assert after.loss == pytest.approx(before.loss, rel=1e-5)


def test_a_huge_gradient_moves_the_sum_by_the_clip_and_a_small_one_by_itself() -> None:
    cohort = Cohort(2, largest=-1)
    cohort.inputs[0] *= 1e6
    assert noise_free_sum(cohort, [0]).norm() == pytest.approx(CLIP, rel=1e-5)
    loose = StepSettings(sigma=0.0, clip=1e6, rate=0.8, patients=50)
    torch.testing.assert_close(step(cohort, [1], loose) * 40, one_by_one(cohort, [1])[0], rtol=1e-2, atol=1e-3)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-30, 30), st.floats(1e-3, 1e3))
def test_clipping_keeps_direction_and_whoever_is_short(seed: int, size: float, clip: float) -> None:
    rows = torch.randn(4, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 10.0**size
    rows[0] = 0.0
    short = clipped(rows, clip)
    assert (short.norm(dim=1) <= clip * (1 + 1e-12)).all()
    within = rows.norm(dim=1) <= clip
    torch.testing.assert_close(short[within], rows[within], rtol=1e-14, atol=0.0)
    directions = (nn.functional.normalize(part[1:], dim=1, eps=0.0) for part in (rows, short))
    torch.testing.assert_close(*directions)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 3e38])
def test_a_gradient_that_is_not_finite_counts_as_zero_and_stops_nothing(bad: float) -> None:
    """To stop because of it would tell that there is such a patient."""
    cohort = Cohort(5)
    others = noise_free_sum(cohort, [0, 1, 2, 4])
    cohort.inputs[3][0] = bad
    moved = noise_free_sum(cohort, range(5)) - others
    assert moved.norm() <= CLIP * (1 + 1e-4)
    if math.isnan(bad):
        assert moved.norm() < 1e-5


# The denominator


def test_the_sum_is_divided_by_the_expected_batch_and_not_by_the_sample() -> None:
    """Also where the cohort is far smaller than the plan says."""
    cohort = Cohort(30)
    for sample in (range(1), range(3), range(30)):
        torch.testing.assert_close(step(cohort, sample) * 0.8 * 50, by_hand(cohort, sample), rtol=1e-4, atol=1e-4)


# Noise


@pytest.mark.parametrize("sample", [(), range(7)])
def test_the_noise_has_sigma_times_clip_as_its_standard_deviation(sample: Sequence[int]) -> None:
    """20,100 numbers know their standard deviation to 0.5 %; 3 % is six times that."""
    wide = nn.Linear(200, 100)
    inputs, targets = torch.randn(7, 200, generator=torch.Generator().manual_seed(0)), torch.eye(100)[:7]

    def rows(some: Sequence[int]) -> Rows:
        return Rows((inputs[list(some)],), targets[list(some)], torch.arange(len(some)))

    how = StepSettings(sigma=1.7, clip=CLIP, rate=0.8, patients=50)
    quiet = StepSettings(sigma=0.0, clip=CLIP, rate=0.8, patients=50)
    first, second, none = (
        flat(private_gradient(wide, cross_entropy, rows, sample, one).gradient) for one in (how, how, quiet)
    )
    noise = torch.stack([first, second]) - none
    assert noise.std(1).numpy() * 0.8 * 50 == pytest.approx(1.7 * CLIP, rel=0.03)
    assert abs(float(torch.corrcoef(noise)[0, 1])) < 6 / math.sqrt(noise.shape[1])


@pytest.mark.parametrize("count", [0, 150])
def test_noise_is_drawn_once_for_each_number_from_what_was_given(count: int) -> None:
    """Whatever the number of chunks; an empty sample is noise alone."""
    cohort, how = Cohort(150), StepSettings(sigma=2.0, clip=CLIP, rate=1.0, patients=4)
    found = private_gradient(model_of(), cross_entropy, cohort.rows, range(count), how, random=SecureRandom.unsafe("s"))
    noise = torch.from_numpy(noisy_sum(np.zeros(43), clip=CLIP, sigma=2.0, random=SecureRandom.unsafe("s")))
    total = noise_free_sum(cohort, range(count)) if count else torch.zeros(43).double()
    torch.testing.assert_close(flat(found.gradient) * 4, total + noise, rtol=1e-4, atol=1e-4)
    assert math.isnan(found.loss) == (count == 0)


def test_no_seed_of_any_library_repeats_the_noise() -> None:
    cohort, how, runs = Cohort(3), StepSettings(1.0, CLIP, 0.5, 4), []
    for _ in range(2):
        torch.manual_seed(5)
        np.random.seed(5)
        runs.append(step(cohort, [0, 1], how))
    assert (runs[0] != runs[1]).all()


# Less than single precision


def test_half_the_precision_gives_nearly_the_same_gradient() -> None:
    cohort = Cohort(60, largest=0)
    whole, half = (noise_free_sum(cohort, range(60), precision=kind) for kind in (None, torch.bfloat16))
    assert not torch.equal(whole, half)
    assert torch.cosine_similarity(whole, half, dim=0) > 0.999
    assert half.norm() == pytest.approx(float(whole.norm()), rel=0.01)


def test_half_the_precision_bounds_each_patient_as_exactly() -> None:
    """bfloat16 knows a number to 0.4 %; a norm in it would let a patient through that is so much too long."""
    cohort = Cohort(12, largest=4)
    for patient in range(12):
        assert noise_free_sum(cohort, [patient], precision=torch.bfloat16).norm() <= CLIP * (1 + 1e-6)


# What a step leaves behind


def test_a_step_leaves_model_and_parameters_clean() -> None:
    cohort, model = Cohort(70), model_of()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    step(cohort, range(70), model=model)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name])
    assert_clean(model)
    torch.testing.assert_close(step(cohort, range(70), model=model), step(cohort, range(70)))


def assert_clean(model: nn.Module) -> None:
    for parameter in model.parameters():
        assert parameter.grad is None
        assert getattr(parameter, "grad_sample", None) is None
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())


def bad_loss(logits: Tensor, targets: Tensor) -> Tensor:
    raise OSError


class BadBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, logits: Tensor) -> Tensor:
        return logits.clone()

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> Tensor:
        raise OSError


def fails_in_rows(cohort: Cohort) -> tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Sequence[int]], Rows]]:
    def rows(sample: Sequence[int]) -> Rows:
        if len(sample) < PATIENTS_AT_ONCE:
            raise OSError
        return cohort.rows(sample)

    return cross_entropy, rows


@pytest.mark.parametrize("where", ["rows", "loss", "backward"])
def test_a_failure_leaves_no_hook_and_no_sum_behind(where: str) -> None:
    cohort, model = Cohort(70), model_of()
    loss, rows = {
        "rows": fails_in_rows(cohort),
        "loss": (bad_loss, cohort.rows),
        "backward": (lambda logits, targets: cross_entropy(BadBackward.apply(logits), targets), cohort.rows),
    }[where]
    with pytest.raises(OSError):
        private_gradient(model, loss, rows, range(70), QUIET)
    assert_clean(model)
    torch.testing.assert_close(step(cohort, range(70), model=model), step(cohort, range(70)))


def test_a_frozen_parameter_has_no_gradient() -> None:
    cohort, model = Cohort(7), model_of()
    model.layer.requires_grad_(False)
    found = private_gradient(model, cross_entropy, cohort.rows, range(7), QUIET)
    assert {name: part.shape for name, part in found.gradient.items()} == {"head.weight": (3, 5), "head.bias": (3,)}


def test_the_loss_is_the_mean_over_the_rows_of_the_sample() -> None:
    cohort = Cohort(80)
    found = private_gradient(model_of(), cross_entropy, cohort.rows, range(80), QUIET)
    rows = cohort.rows(range(80))
    expected = cross_entropy(model_of()(*rows.inputs), rows.targets).detach().mean()
    assert found.loss == pytest.approx(float(expected), rel=1e-4)


# The check on public rows

PUBLIC = Rows(
    (torch.randn(4, WINDOWS, WIDTH, generator=torch.Generator().manual_seed(0)),),
    torch.eye(LABELS)[[0, 1, 2, 0]],
    torch.tensor([0, 0, 1, 2]),
)


def test_a_model_whose_gradients_are_its_patients_own_passes_and_stays_clean() -> None:
    model = model_of()
    check_gradients(model, cross_entropy, PUBLIC)
    assert_clean(model)


def test_the_hooks_give_the_gradient_of_each_patient() -> None:
    cohort = Cohort(6, largest=0)
    with PatientGradients(model_of(), cross_entropy) as gradients:
        found, losses = gradients.of(cohort.rows(range(6)), 6)
    assert (found.dtype, len(losses)) == (torch.float64, sum(map(len, cohort.targets)))
    torch.testing.assert_close(found, one_by_one(cohort, range(6)), rtol=1e-4, atol=1e-6)


class Scaled(Pooled):
    """With gradients as small as those of an adapter below a small head."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, inputs: Tensor) -> Tensor:
        return self.scale * super().forward(inputs)


class Cut(Pooled):
    """The layer is there and trained, but the loss knows nothing of it (Opacus issue 820)."""

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(torch.tanh(self.layer(inputs.flatten(0, 1))).detach().reshape(*inputs.shape[:2], 5).mean(1))


class Unused(Pooled):
    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(inputs.mean(1) @ torch.ones(WIDTH, 5))


class Mixed(Scaled):
    """Takes the mean of the batch from each row, as batch normalisation does."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs - inputs.mean(0, keepdim=True) / 2)


def dead_head() -> nn.Module:
    model = model_of()
    with torch.no_grad():
        model.head.weight.zero_()
    return model


@pytest.mark.parametrize("make", [dead_head, Cut, Unused])
def test_a_parameter_that_noise_alone_would_train_is_found(make: Callable[[], nn.Module]) -> None:
    with pytest.raises(TrainingError, match=r"'layer\.weight' has no gradient"):
        check_gradients(make(), cross_entropy, PUBLIC)


@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e-6])
def test_patients_who_leak_into_each_other_are_found_however_small_the_gradient(scale: float) -> None:
    check_gradients(Scaled(scale), cross_entropy, PUBLIC)
    with pytest.raises(TrainingError, match="not that of the patient alone"):
        check_gradients(Mixed(scale), cross_entropy, PUBLIC)


def test_rows_that_were_given_to_another_patient_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `of` adds up by owner is compared with the rows of each owner alone."""
    real = dpsgd._by_patient
    monkeypatch.setattr(dpsgd, "_by_patient", lambda grads, owner, patients: real(grads, owner.flip(0), patients))
    with pytest.raises(TrainingError, match="not that of the patient alone"):
        check_gradients(model_of(), cross_entropy, PUBLIC)
