"""Work in a run goes on in another one where the SuperLink was away, as long as its absences are short."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from flwr.serverapp import Grid

import federated.machines
from federated.machines import in_runs
from federated.node.link import Link
from policies.errors import StorageError, TrainingError
from policies.guard import Server, open_server
from policies.workspace import Workspace


@pytest.fixture
def server(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Server:
    @contextmanager
    def run(link: Link) -> Iterator[None]:
        yield None

    server = open_server(workspace)
    monkeypatch.setattr(federated.machines, "_REST_S", 0.01)
    monkeypatch.setattr(federated.machines, "running_link", lambda server: Link(server.home.federation, 1))
    monkeypatch.setattr(federated.machines, "run_of_installed_code", run)
    return server


def fails(times: int, error: Exception) -> Iterator[Exception | None]:
    yield from [error] * times
    while True:
        yield None


@pytest.mark.parametrize("error", [httpx.ConnectError("gone"), httpx.ReadTimeout("slow"), StorageError("no answer")])
def test_it_goes_on_in_another_run(server: Server, error: Exception) -> None:
    errors = fails(3, error)

    def work(grid: Grid) -> str:
        if (failed := next(errors)) is not None:
            raise failed
        return "done"

    assert in_runs(server, 60, work) == "done"


def test_it_gives_up_after_its_patience_and_counts_from_the_last_good_run(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(grid: Grid) -> None:
        raise httpx.ConnectError("gone")

    with pytest.raises(TrainingError, match="away for 0 s"):
        in_runs(server, 0.05, work)
    monkeypatch.setattr(federated.machines, "_STEADY_S", 0.0)  # every run lasted long enough to be a good one
    tries = fails(20, httpx.ConnectError("gone"))

    def work_at_last(grid: Grid) -> str:
        if (failed := next(tries)) is not None:
            raise failed
        return "done"

    assert in_runs(server, 0.05, work_at_last) == "done"


def test_what_is_no_absence_is_not_tried_again(server: Server) -> None:
    def work(grid: Grid) -> None:
        raise TrainingError("a site refused")

    with pytest.raises(TrainingError, match="a site refused"):
        in_runs(server, 60, work)


def test_a_server_that_does_not_run_is_said_at_once(workspace: Workspace) -> None:
    with pytest.raises(StorageError, match="does not run"):
        in_runs(open_server(workspace), 60, lambda grid: None)
