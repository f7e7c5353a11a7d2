"""'confide privacy certificate', 'verify' and 'plan', as an officer meets them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dashboard.cli import app
from federated import cost
from federated.cost import Outlook
from federated.plan import Plan
from policies.errors import ConfideError, InputError, IntegrityError, TrainingError
from policies.models import SignedModel
from policies.policy import default_policy_text
from policies.workspace import Workspace
from privacy.training.dp_certificate import KIND, epsilons
from privacy.training.randomness import UNSAFE
from tests.clinical.encoders import save_encoder
from tests.clinical.notes import WORDS
from tests.federated.hospitals import new_workspace, plan_for
from tests.federated.studied import booked, signed_model


def call(*arguments: str) -> str:
    """What is printed; what is raised comes through."""
    done = CliRunner().invoke(app, ["privacy", *arguments], standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.output


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return new_workspace(tmp_path / "workspace")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_for(save_encoder(tmp_path / "bert", "bert", WORDS))


@pytest.fixture
def model(workspace: Workspace, plan: Plan) -> SignedModel:
    return signed_model(workspace, plan)


def certificate(workspace: Workspace, model: SignedModel, *more: str) -> str:
    return call("certificate", model.name, "--site", "north", "--workspace", str(workspace.root), *more)


def test_a_certificate_is_printed_written_and_verified_on_a_machine_with_nothing_else(
    tmp_path: Path, workspace: Workspace, plan: Plan, model: SignedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = booked(workspace, plan)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    printed = certificate(workspace, model, "--out", str(elsewhere / "north.json"))
    prv, pld = epsilons("0.9", "2.0", 2, "1e-05")
    assert f"{prv} by PRV, {pld} by PLD" in printed
    assert "each patient of north; a patient of two hospitals adds both up" in " ".join(printed.split())
    shutil.copy(site.home.keys / "public.pem", elsewhere / "north.pem")
    shutil.rmtree(workspace.root)
    monkeypatch.chdir(elsewhere)
    assert "both accountants give this epsilon again" in call("verify", "north.json", "--key", "north.pem")
    assert json.loads(call("verify", "north.json", "--key", "north.pem", "--json"))["steps"] == 2
    assert not (elsewhere / "confide-workspace").exists()


def test_the_key_of_this_workspace_is_the_default(tmp_path: Path, workspace: Workspace, plan: Plan) -> None:
    booked(workspace, plan)
    out = tmp_path / "north.json"
    certificate(workspace, signed_model(workspace, plan), "--out", str(out))
    assert "verified" in call("verify", str(out), "--workspace", str(workspace.root))
    with pytest.raises(ConfideError):
        call("verify", str(out), "--workspace", str(tmp_path / "nowhere"))


def test_one_flipped_digit_is_refused(tmp_path: Path, workspace: Workspace, plan: Plan, model: SignedModel) -> None:
    booked(workspace, plan)
    out = tmp_path / "north.json"
    certificate(workspace, model, "--out", str(out))
    document = json.loads(out.read_bytes())
    document[KIND]["sigma"] = "2.1"
    out.write_text(json.dumps(document))
    with pytest.raises(IntegrityError, match="was edited"):
        call("verify", str(out), "--workspace", str(workspace.root))


def test_a_refusal_writes_nothing(tmp_path: Path, workspace: Workspace, plan: Plan, model: SignedModel) -> None:
    booked(workspace, plan, noise=UNSAFE)
    with pytest.raises(TrainingError, match="UNSAFE"):
        certificate(workspace, model, "--out", str(tmp_path / "north.json"))
    assert not (tmp_path / "north.json").exists()


def test_a_model_that_is_none_and_a_file_that_is_none(tmp_path: Path, workspace: Workspace, plan: Plan) -> None:
    booked(workspace, plan)
    with pytest.raises(InputError, match="no model 'nothing'") as refused:
        call("certificate", "nothing", "--site", "north", "--workspace", str(workspace.root))
    assert "confide models list" in refused.value.hint
    with pytest.raises(InputError, match="no privacy certificate"):
        call("verify", str(tmp_path / "nothing.json"))


def test_a_plan_is_priced_before_anything_is_spent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the measuring itself replaced, which takes half a minute."""

    def measured(plan: Plan) -> Outlook:
        return Outlook(plan, plan.sites[0].patients, "2.999", "2.990", 60.0, 2.0, 5_000_000, 37_112)

    monkeypatch.setattr(cost, "outlook", measured)
    monkeypatch.chdir(tmp_path)
    told = json.loads(call("plan", "--patients", "120", "--epsilon", "3", "--rounds", "12", "--layers", "1", "--json"))
    assert (told["rounds"], told["trained_layers"], told["patients"], told["delta"]) == (12, 1, 120, "1e-05")
    assert max(map(float, epsilons(told["sampling_rate"], told["sigma"], 12, told["delta"]))) <= 3.0
    assert told["noise_share_of_clip"] == pytest.approx(float(told["sigma"]) / (0.9 * 120), abs=1e-6)
    assert told["minutes"] == pytest.approx((60 + 12 * 2) / 60)
    words = " ".join(call("plan", "--patients", "120", "--epsilon", "3", "--rounds", "12").split())
    assert "Nothing was spent" in words
    assert "37,112 bytes" in words
    assert list(tmp_path.iterdir()) == []


def test_a_plan_that_the_policy_would_refuse_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(plan: Plan) -> Outlook:
        return Outlook(plan, plan.sites[0].patients, "3.001", "3.000", 60.0, 2.0, 5_000_000, 37_112)

    monkeypatch.setattr(cost, "outlook", measured)
    caps = (("smallest_cohort", "121"), ("epsilon", "3.0"), ("most_rounds", "11"))

    def refused(*capped: tuple[str, str]) -> list[str]:
        text = default_policy_text("alice")
        for key, value in capped:
            text = re.sub(rf"^{key} = \S+", f"{key} = {value}", text, flags=re.MULTILINE)
        (tmp_path / "policy.toml").write_text(text)
        words = ("plan", "--patients", "120", "--epsilon", "3", "--rounds", "12", "--json", "-w", str(tmp_path))
        return list(json.loads(call(*words))["policy_refuses"])

    assert refused() == []
    for key, cap in caps:
        (why,) = refused((key, cap))
        assert cap.removesuffix(".0") in why
    (noise,) = refused(("smallest_noise", "50.0"))
    assert "sigma" in noise
