"""The service of a small real workspace, over HTTP on a free port of this machine."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from dashboard.hooks.app import create_app
from dashboard.hooks.service import Service
from federated.node.service import free_port
from policies.guard import open_site
from policies.workspace import Workspace
from tests.dashboard.conftest import policy_text
from tests.dashboard.hooks.ehr import Ehr, jwks, p384, policy_section


@contextmanager
def served(workspace: Workspace) -> Iterator[str]:
    """The base URL of a running service."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    app = create_app(Service(workspace, open_site(workspace, "north"), base))
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        yield base
    finally:
        server.should_exit = True
        thread.join()


def trust(workspace: Workspace, section: str, roles: str = '["clinician"]', origins: str = "[]") -> None:
    text = policy_text().replace("[people]", f"[people]\nehr = {roles}").replace("origins = []", f"origins = {origins}")
    workspace.policy.write_text(text.replace("[audit]", f"{section}\n[audit]"))


@pytest.fixture(scope="module")
def shared(made_once: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, Ehr]]:
    """One running service, for tests that change nothing but its log."""
    key = p384()
    workspace = Workspace(tmp_path_factory.mktemp("hooks") / "workspace")
    shutil.copytree(made_once.root, workspace.root)
    trust(workspace, policy_section(jwks(k1=key), jku='["https://ehr.example.org/jwks"]'))
    with served(workspace) as base:
        yield workspace, Ehr(base, key)


@pytest.fixture
def ehr(shared: tuple[Workspace, Ehr]) -> Ehr:
    return shared[1]


@pytest.fixture
def logged(shared: tuple[Workspace, Ehr]) -> Callable[[], list[tuple[str, dict[str, object]]]]:
    """What was logged since the test began, as (event, details) with the account among them."""
    from policies.audit import read_entries

    site = open_site(shared[0], "north")

    def entries() -> list[tuple[str, dict[str, object]]]:
        found = read_entries(site.home.audit, site.keys.public)
        return [(str(one.event), {**one.details, "actor": one.actor}) for one in found]

    before = len(entries())
    return lambda: entries()[before:]


@pytest.fixture
def log_text(shared: tuple[Workspace, Ehr]) -> Callable[[], str]:
    folder: Path = open_site(shared[0], "north").home.audit
    return lambda: "".join(path.read_text("utf-8", "replace") for path in folder.rglob("*") if path.is_file())
