"""Drafting a plan from cohorts, and signing what came of it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from clinical.labels import LabelRule, LabelSource
from federated import study
from federated.count import count_patients
from federated.plan import Plan, check_caps
from federated.settings import StudySettings
from federated.study import (
    Cohort,
    Watch,
    approve_everywhere,
    budget_after,
    draft_plan,
    model_card,
    register_scores,
    run_study,
    shares,
)
from policies.errors import BudgetError, CohortTooSmall, IntegrityError, TrainingError
from policies.events import Event
from policies.guard import open_server
from policies.models import list_models, open_model, sign_model, trust
from policies.releases import PATIENT_COUNT, GaussianRelease, PoissonSampled, Release, epsilon_text
from policies.workspace import Workspace
from privacy.training.accounting import epsilon, sigma_for
from privacy.training.budget import open_ledger
from tests.clinical.notes import LABELS, cohort
from tests.contracts import made
from tests.federated.hospitals import SITES, hospital, release
from tests.policies.logs import happened

RULE = LabelRule(LabelSource.CATEGORY, LABELS, {}, {"lung": "Pneumonia"})


@pytest.fixture
def cohorts(workspace: Workspace) -> list[Cohort]:
    return [Cohort(hospital(workspace, name), workspace.deidentified(name)) for name in SITES]


def wanted(encoder: Path, **changes: object) -> StudySettings:
    values = {"study": "s", "epsilon": 4.0, "rounds": 2, "encoder": str(encoder), "held_back": 0.0} | changes
    return StudySettings(**values)  # type: ignore[arg-type]


def test_a_draft_keeps_the_target_and_every_cap(cohorts: list[Cohort], encoder: Path) -> None:
    plan = draft_plan(cohorts, RULE, wanted(encoder))
    assert epsilon([plan.releases()], float(plan.delta)) <= 4.0
    assert Decimal(plan.delta) == Decimal("1e-05")
    for part in cohorts:
        check_caps(plan, part.site.guard.policy.training, part.site.guard.policy.federation)
    assert Plan.model_validate(plan.model_dump()) == plan
    assert (plan.labels, plan.label_titles) == (LABELS, {"lung": "Pneumonia"})
    another = draft_plan(cohorts, RULE, wanted(encoder, study="another"))
    assert another.split_key == plan.split_key  # who is held back stays held back
    for part in cohorts:
        ledger = open_ledger(part.site)
        assert [booking.release for booking in ledger.bookings()] == [PATIENT_COUNT]
        # What ledger and plan hold together is what the card says, within what was asked for.
        rounds = [plan.release_of_round()] * plan.rounds
        assert epsilon_text(ledger.afford(plan.digest, rounds)) == model_card(plan, 1.0)["epsilon"][part.site.name]
        assert plan.share(part.site.name).patients == count_patients(part.site, plan, part.data)


def test_the_count_stands_within_the_target_and_not_beside_it(cohorts: list[Cohort], encoder: Path) -> None:
    """At 0.5 the count is dear enough to ask for more noise in the rounds."""
    plan = draft_plan(cohorts, RULE, wanted(encoder, epsilon=0.5))
    without = sigma_for(0.5, rate=plan.sampling_rate, steps=plan.rounds, delta=float(plan.delta))
    assert epsilon([plan.releases()], 1e-5) <= 0.5 < epsilon([[PATIENT_COUNT, *steps(plan, without)]], 1e-5)
    assert Decimal(plan.sigma) > Decimal(without)


def steps(plan: Plan, sigma: str) -> list[Release]:
    return [PoissonSampled(plan.sampling_rate, GaussianRelease(sigma, plan.rounds))]


def test_nothing_can_be_bought_with_nothing(cohorts: list[Cohort], encoder: Path) -> None:
    for target in (0.0, -1.0, float("nan")):
        with pytest.raises(BudgetError):
            draft_plan(cohorts, RULE, wanted(encoder, epsilon=target))


@settings(deadline=None)
@given(st.lists(st.integers(1, 1000).map(lambda tens: 10 * tens), min_size=1, max_size=12))
def test_weights_are_shares_that_sum_to_one(declared: list[int]) -> None:
    parts = shares({f"site {place}": patients for place, patients in enumerate(declared)})
    assert [part.patients for part in parts] == declared
    assert sum(Decimal(part.weight) for part in parts) == 1
    for part in parts:
        assert abs(Decimal(part.weight) - Decimal(part.patients) / sum(declared)) < Decimal("0.001")


def test_of_several_sites_one_that_refuses_is_said(
    cohorts: list[Cohort], workspace: Workspace, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And without its approval the study does not run at any."""
    monkeypatch.setattr(study, "simulate", lambda *_: pytest.fail("a site had not approved"))
    release(workspace, "river", cohort(5))
    with pytest.raises(CohortTooSmall, match="'river'"):
        approve_everywhere(cohorts, plan)
    with pytest.raises(TrainingError, match="'river' has not approved"):
        run_study(workspace, open_server(workspace), cohorts, plan, Watch())
    assert not workspace.models.exists()


def test_the_budget_after_a_plan_is_that_of_the_site_where_it_ends_highest(cohorts: list[Cohort], plan: Plan) -> None:
    sites = [part.site for part in cohorts]
    whole = steps(plan, plan.sigma)
    assert budget_after(sites, plan) == (0.0, pytest.approx(epsilon([whole], 1e-5)))
    release = PoissonSampled("0.9", GaussianRelease("2.0", 2))
    open_ledger(sites[1]).reserve("p", 1, release)
    both = epsilon([[release], whole], 1e-5)
    assert budget_after(sites, plan) == (pytest.approx(epsilon([[release]], 1e-5)), pytest.approx(both))


def test_the_budget_after_a_plan_that_was_begun_counts_no_round_twice(cohorts: list[Cohort], plan: Plan) -> None:
    site = cohorts[0].site
    open_ledger(site).reserve(plan.digest, 1, plan.release_of_round())
    assert budget_after([site], plan)[1] == pytest.approx(epsilon([steps(plan, plan.sigma)], 1e-5))


def test_a_card_says_what_was_spent_and_no_score(plan: Plan) -> None:
    card = model_card(plan, 12.34)
    assert card["epsilon"] == dict.fromkeys(SITES, epsilon_text(epsilon([plan.releases()], 1e-5)))
    assert card["scores"] == {}
    assert Plan.model_validate(card["plan"]) == plan
    assert card["plan_sha256"] == plan.digest
    assert "torch.Generator" not in card["noise_source"]


def test_scores_replace_the_model_without_them(workspace: Workspace, plan: Plan) -> None:
    server = open_server(workspace)
    trust(workspace.trusted, server.keys.public)
    first = sign_model(workspace.models, save(made(1)), model_card(plan, 1.0), server.keys)
    scored = register_scores(workspace, server, first, {"federated": {"macro_f1": "0.500"}})
    assert scored.name != first.name
    assert [model.name for model in list_models(workspace.models, workspace.trusted)] == [scored.name]
    assert open_model(scored.folder, workspace.trusted).card["scores"]["federated"] == {"macro_f1": "0.500"}
    assert scored.card["scores"]["data"] == "synthetic"
    with pytest.raises(IntegrityError):
        open_model(first.folder, workspace.trusted)
    (entry,) = happened(server.home.audit, server.keys.public)
    assert (entry.event, entry.details["replaces"]) == (Event.MODEL_SIGNED, first.name)
