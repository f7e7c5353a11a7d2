"""A patient who withdraws is in no cohort any more, and a training that used the patient goes no further."""

from __future__ import annotations

import pytest

from clinical.classifier import trained_weights
from federated.approval import approve
from federated.cohort import training_part
from federated.messages import TrainOrder
from federated.plan import Plan
from federated.site_round import plan_classifier, prepare, train_round
from federated.withdrawal import honour_refusals, withdraw
from policies.access import Purpose
from policies.errors import CohortTooSmall, InputError, IntegrityError
from policies.events import Event
from policies.guard import Site
from policies.workspace import Workspace
from privacy.consent import refusal
from privacy.consent_book import denied, record_consents
from privacy.vault.erasure import erase_patient
from privacy.vault.originals import Vault
from tests.federated.hospitals import PATIENTS, hospital, order_for, set_policy
from tests.federated.studied import signed_model
from tests.policies.logs import happened

RESEARCH = frozenset({Purpose.RESEARCH})


def order(plan: Plan, number: int = 1) -> TrainOrder:
    return order_for(plan, number, trained_weights(plan_classifier(plan)))


def somebody(workspace: Workspace, site: Site, plan: Plan) -> str:
    return training_part(site, plan, workspace.deidentified("north")).patients[0]


def test_a_training_in_flight_is_stopped(prepared: Site, workspace: Workspace, plan: Plan) -> None:
    train_round(prepared, order(plan))
    patient = somebody(workspace, prepared, plan)
    done = withdraw(workspace, prepared, patient, RESEARCH)
    (use,) = done.uses
    assert (use.plan, use.stopped, use.models) == (plan.digest, True, ())
    assert float(use.epsilon) > 0
    assert list(done.destroyed[plan.digest]) == [patient]
    with pytest.raises(IntegrityError, match="was stopped at 'north'"):
        train_round(prepared, order(plan, 2))
    assert Vault(prepared.home.cache(plan.digest), prepared.keys.wrapping).holding(patient) is None
    logged = [e for e in happened(prepared.home.audit, prepared.keys.public) if e.event is Event.CONSENT_WITHDRAWN]
    assert logged[-1].details["stopped"] == [plan.digest]


def test_the_next_study_is_without_the_patient(prepared: Site, workspace: Workspace, plan: Plan) -> None:
    patient = somebody(workspace, prepared, plan)
    withdraw(workspace, prepared, patient, RESEARCH)
    patients = training_part(prepared, plan, workspace.deidentified("north")).patients
    assert patient not in patients
    assert len(patients) == PATIENTS - 1
    assert denied(prepared, patient) == RESEARCH


def test_a_cohort_that_a_withdrawal_makes_too_small_is_refused(
    prepared: Site, workspace: Workspace, plan: Plan
) -> None:
    set_policy(workspace, smallest_cohort=PATIENTS)
    site = hospital(workspace)
    withdraw(workspace, site, somebody(workspace, site, plan), RESEARCH)
    with pytest.raises(CohortTooSmall):
        approve(site, plan, workspace.deidentified("north"))


def test_a_model_that_used_the_patient_is_named_with_its_epsilon(
    prepared: Site, workspace: Workspace, plan: Plan
) -> None:
    for number in (1, 2):
        train_round(prepared, order(plan, number))
    model = signed_model(workspace, plan)
    done = withdraw(workspace, prepared, somebody(workspace, prepared, plan), RESEARCH)
    (use,) = done.uses
    assert (use.models, use.stopped) == ((model.name,), False)


def test_a_second_time_finishes_what_was_cut_off(prepared: Site, workspace: Workspace, plan: Plan) -> None:
    patient = somebody(workspace, prepared, plan)
    first = withdraw(workspace, prepared, patient, RESEARCH)
    again = withdraw(workspace, prepared, patient, RESEARCH)
    assert [use.plan for use in first.uses] == [use.plan for use in again.uses] == [plan.digest]
    assert again.destroyed == {}


def test_what_is_no_pseudonym_is_refused(prepared: Site, workspace: Workspace) -> None:
    with pytest.raises(InputError, match="no pseudonym"):
        withdraw(workspace, prepared, "Zebulon Quist", RESEARCH)


def test_a_refusal_that_was_imported_stops_a_training_too(prepared: Site, workspace: Workspace, plan: Plan) -> None:
    train_round(prepared, order(plan))
    patient = somebody(workspace, prepared, plan)
    record_consents(prepared, {patient: refusal(RESEARCH, "2026-01-01")}, "test")
    with pytest.raises(IntegrityError, match="refuses research"):
        train_round(prepared, order(plan, 2))
    honour_refusals(workspace, prepared)
    assert Vault(prepared.home.cache(plan.digest), prepared.keys.wrapping).holding(patient) is None
    with pytest.raises(IntegrityError, match="was stopped"):
        train_round(prepared, order(plan, 2))


def test_who_was_erased_is_in_no_cohort(prepared: Site, workspace: Workspace, plan: Plan) -> None:
    patient = somebody(workspace, prepared, plan)
    Vault(prepared.home.vault, prepared.keys.wrapping).put([(patient, "d1", b"-")])
    erase_patient(prepared, patient, Purpose.PATIENT_REQUEST)
    assert patient not in training_part(prepared, plan, workspace.deidentified("north")).patients


def test_what_was_prepared_anew_is_without_the_patient(prepared: Site, workspace: Workspace, plan: Plan) -> None:
    patient = somebody(workspace, prepared, plan)
    withdraw(workspace, prepared, patient, RESEARCH)
    prepare(prepared, plan, plan_classifier(plan))
    assert Vault(prepared.home.cache(plan.digest), prepared.keys.wrapping).holding(patient) is None
