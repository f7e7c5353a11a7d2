"""What the tests of the federation share: a tiny encoder, three hospitals, and one that approved and prepared."""

from __future__ import annotations

from pathlib import Path

import pytest
from flwr.supercore.task_identity import TaskIdentity

from federated.approval import approve
from federated.parties import SIMULATED_SITES
from federated.plan import Plan
from federated.site_round import plan_classifier, prepare
from policies.guard import Site
from policies.workspace import WORKSPACE_VARIABLE, Workspace
from tests.clinical.encoders import save_encoder
from tests.clinical.notes import WORDS
from tests.federated.hospitals import SITES, hospital, new_workspace, plan_for


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder(tmp_path_factory.mktemp("federated") / "bert", "bert", WORDS)


@pytest.fixture(scope="session")
def plan(encoder: Path) -> Plan:
    return plan_for(encoder)


@pytest.fixture
def flower(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a test make Flower messages outside a run; the runtime names the run otherwise."""
    for name in ("_run_id", "_node_id", "_task_id"):
        monkeypatch.setattr(TaskIdentity, name, 1)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return new_workspace(tmp_path / "workspace")


@pytest.fixture
def site(workspace: Workspace) -> Site:
    return hospital(workspace)


@pytest.fixture
def prepared(workspace: Workspace, site: Site, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A hospital of a simulation that approved the plan and keeps its states."""
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(workspace.root))
    monkeypatch.setenv(SIMULATED_SITES, ",".join(SITES))
    approve(site, plan, workspace.deidentified("north"))
    prepare(site, plan, plan_classifier(plan))
    return site
