"""A hospital certifies what its ledger and its log hold, or says why it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clinical.classifier import trained_weights
from federated.certificate import certify
from federated.count import count_patients
from federated.plan import Plan
from federated.site_round import plan_classifier, train_round
from policies.audit import read_entries
from policies.errors import AccessDenied, ConfideError, IntegrityError, TrainingError
from policies.events import Event
from policies.files import canonical_json, sha256_hex
from policies.guard import Site, open_site
from policies.ledger import COHORT
from policies.policy import default_policy_text
from policies.releases import PATIENT_COUNT, GaussianRelease, PoissonSampled, epsilon_text
from policies.workspace import Workspace
from privacy.training.accounting import epsilon
from privacy.training.budget import one_training, open_ledger, spending
from privacy.training.dp_certificate import NEIGHBOURING, PUBLIC_CHECK, DpCertificate, epsilons, verify_certificate
from privacy.training.randomness import CHACHA20, UNSAFE
from tests.federated.hospitals import hospital, order_for, plan_for
from tests.federated.studied import booked, signed_model
from tests.privacy.audit.test_report import REPORT


def certified(workspace: Workspace, site: Site, plan: Plan, audit: Path | None = None) -> DpCertificate:
    return certify(site, signed_model(workspace, plan), audit)[0]


def report(tmp_path: Path, plan: Plan, lower: float) -> Path:
    drill = replace(REPORT.private, one_run=replace(REPORT.private.one_run, lower=lower))
    path = tmp_path / "audit.json"
    path.write_bytes(canonical_json(replace(REPORT, plan=plan.digest, private=drill).as_details()))
    return path


def test_real_rounds_are_certified_logged_and_verify_elsewhere(
    tmp_path: Path, workspace: Workspace, prepared: Site, plan: Plan
) -> None:
    weights = trained_weights(plan_classifier(plan))
    count_patients(prepared, plan, workspace.deidentified("north"))
    for number in (1, 2):
        train_round(prepared, order_for(plan, number, weights))
    model = signed_model(workspace, plan)
    done, data = certify(prepared, model, report(tmp_path, plan, 1.25))
    (tmp_path / "copy.json").write_bytes(data)
    assert verify_certificate(tmp_path / "copy.json", prepared.keys.public) == done
    assert (done.model, done.site, done.plan, done.encoder_sha256) == (
        model.name,
        "north",
        plan.digest,
        plan.encoder_sha256,
    )
    assert (done.q, done.sigma, done.clip, done.delta) == ("0.9", "2.0", "1.0", "1e-05")
    assert done.count_sigma == PATIENT_COUNT.sigma
    assert (done.rounds, done.steps, done.noise, done.guards) == (2, 2, CHACHA20, (PUBLIC_CHECK,))
    assert (done.epsilon_prv, done.epsilon_pld) == epsilons("0.9", "2.0", 2, "1e-05")
    assert (done.epsilon_all, done.studies) == (epsilon_text(done.epsilon), 1)
    assert done.neighbouring == NEIGHBOURING
    assert done.audit is not None
    assert done.audit.lower == 1.25
    entry = read_entries(prepared.home.audit, prepared.keys.public)[-1]
    assert (entry.event, entry.details["certificate"]) == (Event.CERTIFICATE_SIGNED, sha256_hex(data))


def test_a_step_that_was_lost_and_taken_again_counts_twice(workspace: Workspace, plan: Plan) -> None:
    done = certified(workspace, booked(workspace, plan, spent=(1, 2, 2)), plan)
    assert (done.rounds, done.steps) == (2, 3)
    assert (done.epsilon_prv, done.epsilon_pld) == epsilons("0.9", "2.0", 3, "1e-05")


def test_another_study_on_the_same_patients_is_told(workspace: Workspace, plan: Plan, encoder: Path) -> None:
    other = plan_for(encoder, study="another", sigma="8.0")
    booked(workspace, plan)
    site = booked(workspace, other)
    done = certified(workspace, site, plan)
    both = epsilon([[plan.release_of_round()] * 2, [other.release_of_round()] * 2], 1e-5)
    assert (done.epsilon_all, done.studies, done.steps) == (epsilon_text(both), 2, 2)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"release": GaussianRelease("2.0")}, "not drawn by Poisson sampling"),
        ({"release": PoissonSampled("0.9", GaussianRelease("3.0"))}, "not the plan's"),
        ({"noise": UNSAFE}, "UNSAFE: seeded"),
        ({"spent": (1,), "released": (1,)}, "nothing was spent for round 2 of 2"),
        ({"spent": (), "released": ()}, "nothing was spent for round 1, 2 of 2"),
        ({"released": (1,)}, "nothing was released for round 2 of 2"),
        ({"checks": ()}, f"a guard did not pass: {PUBLIC_CHECK}"),
        ({"checks": None}, f"a guard did not pass: {PUBLIC_CHECK}"),
    ],
)
def test_what_did_not_hold_is_not_certified(
    workspace: Workspace, plan: Plan, wrong: dict[str, Any], reason: str
) -> None:
    with pytest.raises((TrainingError, IntegrityError), match=reason):
        certified(workspace, booked(workspace, plan, **wrong), plan)


def test_a_count_whose_noise_was_seeded_is_not_certified(workspace: Workspace, plan: Plan) -> None:
    site = booked(workspace, plan)
    with one_training(site), spending(site, COHORT, 0, PATIENT_COUNT, UNSAFE):
        pass
    with pytest.raises(TrainingError, match="UNSAFE: seeded"):
        certified(workspace, site, plan)


def test_a_guard_that_passed_after_the_first_step_is_too_late(workspace: Workspace, plan: Plan) -> None:
    site = booked(workspace, plan, checks=None)
    site.guard.record(Event.COHORT_PREPARED, plan=plan.digest, patients=12, checks=[PUBLIC_CHECK])
    with pytest.raises(TrainingError, match="a guard did not pass"):
        certified(workspace, site, plan)


def test_a_preparation_without_the_guard_is_not_made_good_by_another(workspace: Workspace, plan: Plan) -> None:
    site = booked(workspace, plan)
    site.guard.record(Event.COHORT_PREPARED, plan=plan.digest, patients=12, checks=[])
    with pytest.raises(TrainingError, match="a guard did not pass"):
        certified(workspace, site, plan)


def test_a_ledger_that_was_lost_is_not_certified(workspace: Workspace, plan: Plan) -> None:
    site = booked(workspace, plan)
    site.home.ledger.unlink()
    with pytest.raises(IntegrityError, match="lacks 2 bookings"):
        certified(workspace, site, plan)


def test_a_step_that_is_still_open_is_not_certified(workspace: Workspace, plan: Plan) -> None:
    site = booked(workspace, plan)
    open_ledger(site).reserve(plan.digest, 2, plan.release_of_round())
    with pytest.raises(IntegrityError, match="1 are open"):
        certified(workspace, site, plan)


def test_an_audit_that_refutes_the_claim_or_is_of_another_plan(
    tmp_path: Path, workspace: Workspace, plan: Plan
) -> None:
    site = booked(workspace, plan)
    with pytest.raises(TrainingError, match="refutes the claim"):
        certified(workspace, site, plan, report(tmp_path, plan, 4.5))
    with pytest.raises(TrainingError, match="another plan"):
        certified(workspace, site, plan, report(tmp_path, plan.model_copy(update={"seed": 8}), 1.0))


def test_a_plan_that_this_hospital_never_approved(workspace: Workspace, plan: Plan) -> None:
    booked(workspace, plan)
    with pytest.raises(TrainingError, match="'river' has not approved"):
        certified(workspace, hospital(workspace, "river"), plan)


def test_who_may_not_certify_is_refused(workspace: Workspace, plan: Plan) -> None:
    booked(workspace, plan)
    model = signed_model(workspace, plan)
    workspace.policy.write_text(default_policy_text("somebody else"))
    with pytest.raises(AccessDenied):
        certify(open_site(workspace, "north"), model)


def test_a_refusal_signs_and_logs_nothing(workspace: Workspace, plan: Plan) -> None:
    site = booked(workspace, plan, noise=UNSAFE)
    with pytest.raises(ConfideError):
        certified(workspace, site, plan)
    assert Event.CERTIFICATE_SIGNED not in {e.event for e in read_entries(site.home.audit, site.keys.public)}
