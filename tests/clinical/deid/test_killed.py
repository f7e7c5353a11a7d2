"""A job in a process of its own, killed by the operating system, and begun again."""

import signal
import subprocess
import sys
import time

import pytest

from clinical.deid import Options, deidentify_source
from policies.guard import open_site
from policies.policy import default_policy_text
from policies.workspace import Workspace
from tests.clinical.exports import CANARY, document, patient, write_export

PROGRAM = """
import sys, time
from pathlib import Path
from clinical.deid import Options, deidentify_source, pool
from policies.guard import open_site
from policies.workspace import Workspace
pool.BATCH = 2
root = Path(sys.argv[1])
slow = lambda done: time.sleep(0.05)
site = open_site(Workspace(root / "w"), "north", "alice")
deidentify_source(site, root / "in", root / "out", Options(as_of=2026), slow)
"""


@pytest.mark.parametrize("batches", [1, 6])
def test_kill_9_loses_no_note_and_repeats_none(tmp_path, batches):
    workspace = Workspace(tmp_path / "w")
    workspace.root.mkdir()
    workspace.policy.write_text(default_policy_text("alice").replace("tagger = true", "tagger = false"))
    notes = [document(f"d{i}", f"p{i % 5}", f"{CANARY} Quist came on 3/{i}/2019.") for i in range(1, 25)]
    source = write_export(tmp_path / "in", *(patient(f"p{i}") for i in range(5)), *notes)
    site = open_site(workspace, "north", "alice")
    deidentify_source(site, source, tmp_path / "whole", Options(as_of=2026))
    child = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], stderr=subprocess.DEVNULL)
    journal = tmp_path / ".out.unfinished" / "journal.ndjson"
    while child.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") > batches):
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    report = deidentify_source(site, source, tmp_path / "out", Options(as_of=2026))
    assert 2 * batches <= report.resumed < 29
    for path in (tmp_path / "whole").iterdir():
        if path.name != "manifest.json":
            assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
