"""Three hospitals in Flower's simulation, in processes of their own: what they leave on disk must agree."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from safetensors.numpy import load_file

from clinical.classifier import trained_weights
from federated.approval import approve
from federated.count import count_patients
from federated.plan import Plan
from federated.progress import RoundDone
from federated.simulation import simulate
from federated.site_round import plan_classifier, prepare
from federated.study import Cohort, Watch, approve_everywhere, run_study
from policies.audit import read_entries
from policies.errors import BudgetError, TrainingError
from policies.events import Entry, Event
from policies.files import file_sha256
from policies.guard import Server, Site, open_server
from policies.ledger import COHORT
from policies.logview import look
from policies.models import SignedModel, open_model
from policies.releases import PATIENT_COUNT, epsilon_text, from_details
from policies.witness import check_quorum
from policies.workspace import Workspace
from privacy.training.accounting import epsilon
from privacy.training.budget import open_ledger
from tests.contracts import norm
from tests.federated.hospitals import ROUNDS, SITES, hospital, new_workspace, set_policy, watch_each_other
from tests.federated.same_process import SameProcess, context_of


@dataclass(frozen=True)
class Run:
    workspace: Workspace
    server: Server
    plan: Plan
    model: SignedModel
    done: tuple[RoundDone, ...]
    windows: dict[str, int]

    def sites(self) -> list[Site]:
        return [hospital(self.workspace, name) for name in SITES]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> Run:
    workspace = new_workspace(tmp_path_factory.mktemp("simulation") / "workspace")
    watch_each_other(workspace)
    server, done, windows = open_server(workspace), [], dict.fromkeys(SITES, 0)

    def prepared(site: str, count: int) -> None:
        windows[site] += count

    cohorts = [Cohort(hospital(workspace, name), workspace.deidentified(name)) for name in SITES]
    for cohort in cohorts:
        count_patients(cohort.site, plan, cohort.data)
    approve_everywhere(cohorts, plan)
    model = run_study(workspace, server, cohorts, plan, Watch(prepared=prepared, round_done=done.append))
    return Run(workspace, server, plan, model, tuple(done), windows)


def test_the_sites_signed_each_others_tree_heads(run: Run) -> None:
    for site in run.sites():
        view = look(site.home.audit, site.keys.public)
        quorum = check_quorum(view, site.home.cosigned, site.keys.public, site.guard.policy.witnesses)
        assert quorum.names == tuple(sorted({*SITES} - {site.name}))
    assert not of(Event.WITNESS_REFUSED, read_entries(run.server.home.audit, run.server.keys.public))


def of(event: Event, entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.event == event]


def site_log(site: Site) -> list[Entry]:
    return read_entries(site.home.audit, site.keys.public)


def test_every_round_was_aggregated_and_watched(run: Run) -> None:
    rounds = of(Event.ROUND_AGGREGATED, read_entries(run.server.home.audit, run.server.keys.public))
    assert [entry.details["round"] for entry in rounds] == [1, 2] == [done.round for done in run.done]
    assert all(0 < done.bytes_per_site < 200_000 for done in run.done)
    assert run.windows == dict.fromkeys(SITES, 16)  # the notes of twelve patients, of whom four have two
    folder = run.server.home.run(run.plan.digest)
    assert [entry.details["weights"] for entry in rounds] == [
        file_sha256(folder / f"round-{number:04d}.safetensors") for number in (1, 2)
    ]


def test_every_site_booked_each_round_once(run: Run) -> None:
    for site in run.sites():
        booked = [(booking.plan, booking.round, booking.release) for booking in open_ledger(site).bookings()]
        rounds = [(run.plan.digest, number, run.plan.release_of_round()) for number in range(1, ROUNDS + 1)]
        assert booked == [(COHORT, 0, PATIENT_COUNT), *rounds]


def test_what_a_site_kept_is_what_the_server_says_it_got(run: Run) -> None:
    rounds = of(Event.ROUND_AGGREGATED, read_entries(run.server.home.audit, run.server.keys.public))
    for site in run.sites():
        about_plan = [entry for entry in site_log(site) if entry.details.get("plan") == run.plan.digest]
        released = of(Event.UPDATE_RELEASED, about_plan)
        kept = [file_sha256(site.home.update(run.plan.digest, number)) for number in (1, 2)]
        assert kept == [entry.details["sha256"] for entry in released]
        assert kept == [entry.details["updates"][site.name] for entry in rounds]
    assert len({digest for entry in rounds for digest in entry.details["updates"].values()}) == 3 * ROUNDS


def test_the_weights_are_the_momentum_steps_over_the_kept_updates(run: Run) -> None:
    weights = trained_weights(plan_classifier(run.plan))
    velocity = {name: 0.0 * array for name, array in weights.items()}
    for number in (1, 2):
        updates = {site.name: load_file(site.home.update(run.plan.digest, number)) for site in run.sites()}
        for name in weights:
            mean = sum(float(SITES[site]) * update[name] for site, update in updates.items())
            velocity[name] = run.plan.momentum * velocity[name] + mean
            weights[name] = weights[name] - run.plan.learning_rate * velocity[name]
    final = load_file(run.model.weights)
    assert norm({name: final[name] - weights[name] for name in weights}) < 1e-4 * norm(final)


def test_the_model_is_signed_and_opens(run: Run) -> None:
    model = open_model(run.model.folder, run.workspace.trusted)
    assert Plan.model_validate(model.card["plan"]) == run.plan
    assert model.card["plan_sha256"] == run.plan.digest
    assert model.card["scores"] == {}
    (entry,) = of(Event.MODEL_SIGNED, read_entries(run.server.home.audit, run.server.keys.public))
    assert entry.details["weights"] == file_sha256(model.weights) == model.card["weights_sha256"]


def test_epsilon_from_the_log_alone_is_that_of_the_ledger_and_of_the_card(run: Run) -> None:
    for site in run.sites():
        spent = of(Event.BUDGET_SPENT, site_log(site))
        releases = [from_details(entry.details["release"]) for entry in spent]
        again = epsilon([releases], float(spent[0].details["delta"]))
        assert again == pytest.approx(open_ledger(site).spent(), abs=1e-9)
        assert epsilon_text(again) == spent[-1].details["epsilon"] == run.model.card["epsilon"][site.name]


@pytest.mark.usefixtures("flower")
def test_a_site_whose_caps_were_lowered_after_the_approval_ends_the_run_with_its_name_and_code(
    workspace: Workspace, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = plan_classifier(plan)
    for name in SITES:
        approve(hospital(workspace, name), plan, workspace.deidentified(name))
        prepare(hospital(workspace, name), plan, classifier)
    monkeypatch.setattr(
        "flwr.simulation.run_simulation", lambda server_app, *_, **__: server_app(SameProcess(), context_of(0))
    )

    def lower(done: RoundDone) -> None:
        set_policy(workspace, largest_clip=0.5)

    with pytest.raises(TrainingError, match=r"round 2: site 'north' refused \(code 9\)"):
        simulate(workspace, open_server(workspace), plan, trained_weights(classifier), lower)
    for name in SITES:
        site = hospital(workspace, name)
        assert [booking.round for booking in open_ledger(site).bookings()] == [1]
        (refused,) = of(Event.RUN_REFUSED, site_log(site))
        assert "under another policy" in refused.details["reason"]
        assert not of(Event.ROUND_FAILED, site_log(site))


def test_an_error_of_ours_comes_out_of_flower_as_itself_and_another_by_its_kind(
    workspace: Workspace, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    cause: Exception = BudgetError("no budget")

    def failing(*_: object, **__: object) -> None:
        raise RuntimeError("Zebulon") from cause

    monkeypatch.setattr("flwr.simulation.run_simulation", failing)
    with pytest.raises(BudgetError, match="no budget"):
        simulate(workspace, open_server(workspace), plan, {})
    cause = ValueError()
    with pytest.raises(TrainingError, match="RuntimeError") as caught:
        simulate(workspace, open_server(workspace), plan, {})
    assert "Zebulon" not in caught.value.message + caught.value.hint
