"""confide privacy audit: which plan is attacked, what is printed and kept, and how a refuted claim ends."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dashboard.cli import app
from federated import drills
from federated.approval import approve
from federated.drills import QUICK, Sizes, Tell
from federated.plan import Plan, SiteShare
from policies.errors import ConfideError, InputError, TrainingError
from privacy.audit.report import AuditReport
from tests.clinical.encoders import save_encoder
from tests.clinical.notes import WORDS
from tests.federated.hospitals import hospital, new_workspace, plan_for
from tests.privacy.audit.test_report import REPORT

PLAN = Plan(
    study="s",
    encoder="tiny",
    encoder_sha256="0" * 64,
    labels=("a", "b"),
    label_source="category",
    seed=7,
    rounds=2,
    sampling_rate="0.9",
    clip="1.0",
    sigma="2.0",
    delta="1e-05",
    learning_rate=0.5,
    momentum=0.5,
    held_back=0.0,
    split_key="key",
    sites=(SiteShare(name="north", patients=10, weight="1"),),
)


class Audits:
    """Stands for the audit itself, which takes minutes; remembers what it was asked for."""

    def __init__(self, report: AuditReport) -> None:
        self.report, self.asked = report, []

    def __call__(self, plan: Plan, sizes: Sizes, tell: Tell) -> AuditReport:
        self.asked.append((plan, sizes))
        tell("canaries, private", 1, 2)
        return self.report


@pytest.fixture
def audits(monkeypatch: pytest.MonkeyPatch) -> Audits:
    audits = Audits(REPORT)
    monkeypatch.setattr(drills, "audit_plan", audits)
    return audits


def call(*arguments: str) -> str:
    """What is printed; what is raised comes through."""
    done = CliRunner().invoke(app, ["privacy", "audit", *arguments], standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.output


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    path.write_text(PLAN.model_dump_json())
    return path


def test_a_plan_is_read_and_the_report_is_kept_and_printed(audits: Audits, plan_file: Path, tmp_path: Path) -> None:
    printed = call("--plan", str(plan_file), "--json", "--canaries", "77", "--out", str(tmp_path / "report.json"))
    assert audits.asked == [(PLAN, replace(Sizes(), canaries=77))]
    assert json.loads(printed) == REPORT.as_details()
    assert json.loads((tmp_path / "report.json").read_bytes()) == REPORT.as_details()


def test_a_plan_of_numbers_and_a_quick_try(audits: Audits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drills, "made_up_plan", lambda patients, epsilon: (patients, epsilon))
    assert call("--patients", "120", "--epsilon", "3", "--quick")
    assert audits.asked == [((120, 3.0), QUICK)]


@pytest.mark.parametrize("arguments", [(), ("--patients", "120"), ("--plan", "x", "--patients", "120")])
def test_what_is_audited_must_be_said_once(audits: Audits, arguments: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="what is audited is not said"):
        call(*arguments)
    assert not audits.asked


def test_an_unknown_plan(audits: Audits, tmp_path: Path) -> None:
    with pytest.raises(ConfideError, match="no plan 'ab'"):
        call("--plan", "ab", "--workspace", str(tmp_path))


def test_the_hash_of_a_plan_that_a_site_approved(audits: Audits, tmp_path: Path) -> None:
    plan, workspace = plan_for(save_encoder(tmp_path / "bert", "bert", WORDS)), new_workspace(tmp_path / "workspace")
    approve(hospital(workspace, "river"), plan, workspace.deidentified("river"))
    call("--plan", plan.digest, "--workspace", str(workspace.root), "--json")
    assert audits.asked == [(plan, Sizes())]


def test_a_refuted_claim_is_shown_and_ends_with_an_error(audits: Audits, plan_file: Path, tmp_path: Path) -> None:
    audits.report = replace(REPORT, epsilon=1.0)
    with pytest.raises(TrainingError, match="refutes the claim"):
        call("--plan", str(plan_file), "--out", str(tmp_path / "report.json"))
    assert (tmp_path / "report.json").exists()
