"""A hospital's patients are counted once, with noise, at its budget's cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federated import count
from federated.count import FEWEST, count_patients
from federated.plan import Plan
from policies.errors import AccessDenied, BudgetError, IntegrityError, StorageError, TrainingError
from policies.events import Entry, Event
from policies.guard import Site, open_site
from policies.ledger import COHORT, State
from policies.releases import PATIENT_COUNT
from policies.workspace import Workspace
from privacy.training.budget import open_ledger
from privacy.training.randomness import CHACHA20, SecureRandom
from tests.clinical.notes import cohort
from tests.federated.hospitals import PATIENTS, hospital, plan_for, release, set_policy
from tests.policies.logs import happened


def data(workspace: Workspace) -> Path:
    return workspace.deidentified("north")


def entries(site: Site) -> list[Entry]:
    return happened(site.home.audit, site.keys.public)


def kept(site: Site) -> list[Path]:
    return sorted((site.home.root / "updates").rglob("round-0000.safetensors"))


def booked(site: Site) -> list[tuple[str, Any, State]]:
    return [(booking.plan, booking.release, booking.state) for booking in open_ledger(site).bookings()]


def drawn(monkeypatch: pytest.MonkeyPatch, number: float) -> None:
    """The normal numbers that come next."""
    monkeypatch.setattr(SecureRandom, "gaussian", lambda _, many: np.full(many, number))


def test_a_count_has_its_noise_and_is_booked_and_logged_before_it_is_told(
    workspace: Workspace, site: Site, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}
    real = count.noisy_sum

    def spy(total: Any, **how: Any) -> Any:
        seen.update(how, total=total.tolist(), booked=booked(site), logged=entries(site)[-1])
        return real(total, **how)

    monkeypatch.setattr(count, "noisy_sum", spy)
    number = count_patients(site, plan, data(workspace))
    assert (seen["total"], seen["clip"], seen["sigma"], seen["random"].source) == ([PATIENTS], 1.0, 20.0, CHACHA20)
    assert seen["booked"] == [(COHORT, PATIENT_COUNT, State.SPENT)]
    assert seen["logged"].event is Event.BUDGET_SPENT
    assert seen["logged"].details["release"] == PATIENT_COUNT.as_details()
    assert entries(site)[-1].event is Event.UPDATE_RELEASED
    assert number % 10 == 0


@pytest.mark.parametrize(("noise", "told"), [(0.0, 10), (0.5, 20), (1.0, 30), (-0.5, FEWEST), (-9.0, FEWEST)])
def test_it_is_rounded_to_tens_and_at_least_ten(
    workspace: Workspace, site: Site, plan: Plan, monkeypatch: pytest.MonkeyPatch, noise: float, told: int
) -> None:
    drawn(monkeypatch, noise)
    assert count_patients(site, plan, data(workspace)) == told


def test_the_same_data_give_the_same_number_and_cost_nothing_more(
    workspace: Workspace, site: Site, plan: Plan, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else a plan says; another draw would let the noise be averaged away."""
    drawn(monkeypatch, 3.0)
    first, log = count_patients(site, plan, data(workspace)), entries(site)
    drawn(monkeypatch, -3.0)
    for again in (plan, plan_for(encoder, study="another", sigma="4.0", rounds=1)):
        assert count_patients(site, again, data(workspace)) == first == 70
    assert len(booked(site)) == 1
    assert entries(site) == log


def test_other_patients_are_counted_anew_and_both_counts_are_paid(
    workspace: Workspace, site: Site, plan: Plan, encoder: Path
) -> None:
    count_patients(site, plan, data(workspace))
    count_patients(site, plan_for(encoder, split_key="another"), data(workspace))
    release(workspace, "north", cohort(PATIENTS + 1, "n"))
    count_patients(site, plan, data(workspace))
    assert booked(site) == [(COHORT, PATIENT_COUNT, State.SPENT)] * 3


def test_a_budget_that_bears_the_rounds_and_not_the_count_is_refused_before_it(
    workspace: Workspace, site: Site, plan: Plan
) -> None:
    cap = open_ledger(site).afford(plan.digest, [plan.release_of_round()] * plan.rounds) + 1e-6
    set_policy(workspace, epsilon=cap)
    site = hospital(workspace)
    with pytest.raises(BudgetError, match="over the policy's"):
        count_patients(site, plan, data(workspace))
    assert entries(site)[-1].event is Event.BUDGET_REFUSED
    assert (booked(site), kept(site)) == ([], [])


def test_who_may_not_train_counts_nobody(workspace: Workspace, plan: Plan) -> None:
    site = open_site(workspace, "north", "mallory")
    with pytest.raises(AccessDenied):
        count_patients(site, plan, data(workspace))
    assert (booked(site), kept(site)) == ([], [])


@pytest.mark.parametrize("patients", [1, 9, PATIENTS])
def test_no_answer_but_the_noisy_one_depends_on_how_many_there_are(
    workspace: Workspace, site: Site, plan: Plan, monkeypatch: pytest.MonkeyPatch, patients: int
) -> None:
    """A refusal before the booking would tell a server that asks again and again where the smallest cohort lies."""
    drawn(monkeypatch, 3.0)
    release(workspace, "north", cohort(patients))
    with pytest.raises(TrainingError, match="counted its patients 0 times"):
        count_patients(site, plan, data(workspace), most=0)
    assert (booked(site), kept(site)) == ([], [])
    assert count_patients(site, plan, data(workspace), most=1) == round((patients + 60) / 10) * 10
    assert booked(site) == [(COHORT, PATIENT_COUNT, State.SPENT)]


def test_a_count_that_was_lost_before_it_was_kept_stays_spent(
    workspace: Workspace, site: Site, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as patch, pytest.raises(StorageError):
        patch.setattr(count, "write_whole", full)
        count_patients(site, plan, data(workspace))
    count_patients(site, plan, data(workspace))
    assert booked(site) == [(COHORT, PATIENT_COUNT, State.SPENT)] * 2


def test_a_kept_count_that_was_altered_is_not_told(workspace: Workspace, site: Site, plan: Plan) -> None:
    count_patients(site, plan, data(workspace))
    (path,) = kept(site)
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(IntegrityError, match="not the one that was released"):
        count_patients(site, plan, data(workspace))
