"""What runs at a site is asked whether it goes on, each process in its own way."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import federated.node.service
from federated.node.child import Child
from federated.node.service import SILENT_S, run_site
from tests.federated.provision.joining import all_joined


def test_an_executor_is_well_as_long_as_it_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    joined, found = all_joined(tmp_path), dict[str, Child]()

    def supervise(folder: object, children: list[Child], *_: Any) -> None:
        found.update({child.name: child for child in children})

    monkeypatch.setattr(federated.node.service, "supervise", supervise)
    run_site(joined.site("north"), joined.workspace("north"), threading.Event())
    beat = joined.site("north").home.federation.beat
    assert not found["executor"].healthy()
    beat.touch()
    assert found["executor"].healthy()
    before = time.time() - SILENT_S - 1
    os.utime(beat, (before, before))
    assert not found["executor"].healthy()
