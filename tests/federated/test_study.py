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
from federated.plan import Plan, check_caps
from federated.study import (
    Cohort,
    StudySettings,
    Watch,
    approve_everywhere,
    budget_after,
    draft_plan,
    model_card,
    register_scores,
    run_study,
    shares,
)
from policies.audit import Event, read_entries
from policies.errors import BudgetError, CohortTooSmall, IntegrityError, TrainingError
from policies.guard import open_server
from policies.models import list_models, open_model, sign_model, trust
from policies.releases import GaussianRelease, PoissonSampled, epsilon_text
from policies.workspace import Workspace
from privacy.training.accounting import epsilon
from privacy.training.budget import open_ledger
from tests.clinical.notes import LABELS, cohort, write
from tests.contracts import made
from tests.federated.hospitals import PATIENTS, SITES, hospital, release

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
        check_caps(plan, part.site.guard.policy.training)
    assert Plan.model_validate(plan.model_dump()) == plan
    assert (plan.labels, plan.label_titles) == (LABELS, {"lung": "Pneumonia"})
    another = draft_plan(cohorts, RULE, wanted(encoder, study="another"))
    assert another.split_key == plan.split_key  # who is held back stays held back
    for part in cohorts:
        assert open_ledger(part.site).bookings() == []


def test_the_declared_number_is_rounded_down_to_tens(cohorts: list[Cohort], encoder: Path) -> None:
    """So a patient more or less does not show, unless they are the tenth."""
    for count, declared in ((10, 10), (PATIENTS, 10), (19, 10), (20, 20), (3, 10)):
        write(cohorts[0].data, cohort(count, "n"))
        assert draft_plan(cohorts, RULE, wanted(encoder)).share("north").patients == declared


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
    assert budget_after(sites, plan) == (0.0, pytest.approx(epsilon([plan.releases()], 1e-5)))
    release = PoissonSampled("0.9", GaussianRelease("2.0", 2))
    open_ledger(sites[1]).reserve("p", 1, release)
    both = epsilon([[release], plan.releases()], 1e-5)
    assert budget_after(sites, plan) == (pytest.approx(epsilon([[release]], 1e-5)), pytest.approx(both))


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
    (entry,) = read_entries(server.home.audit, server.keys.public)
    assert (entry.event, entry.details["replaces"]) == (Event.MODEL_SIGNED, first.name)
