"""One federation of processes for all tests of this folder that want one: it takes ten seconds to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.federated.node.machines import Machines, machines, wait_for


@pytest.fixture(scope="package")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    with machines(tmp_path_factory.mktemp("machines")) as made:
        yield made


@pytest.fixture
def federation(started: Machines) -> Machines:
    """With every process well, whatever the last test did to it."""
    wait_for(started.whole)
    return started
