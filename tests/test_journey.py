"""The road from a raw note to a page, with a canary name in it: where may the name be found afterwards?"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clinical.synthetic import condition_labels, demo_hospitals, write_export
from policies.audit import read_entries
from policies.events import Entry, Event
from policies.files import write_whole
from policies.guard import account_name, open_site
from policies.policy import default_policy_text
from policies.releases import PATIENT_COUNT, epsilon_text, from_details
from policies.workspace import Workspace
from privacy.training.accounting import epsilon
from tests.teams import everybody_treats

FIRST, LAST = "Zephyrine", "Quillfeather"
CANARY = re.compile(rb"zephyrine|quillfeather", re.IGNORECASE)
SITES = ("north", "river", "summit")


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """De-identify, train and extract by the command line, as a hospital would."""
    yield Road(tmp_path_factory.mktemp("road"))


class Road:
    """A small workspace that went the whole road."""

    def __init__(self, root: Path) -> None:
        self.root, self.workspace = root, Workspace(root / "workspace")
        self.output: list[str] = []
        policy = default_policy_text(account_name()).replace("smallest_cohort = 100", "smallest_cohort = 10")
        write_whole(self.workspace.policy, policy.encode())
        for profile in demo_hospitals(patients=24):
            write_export(root / "exports" / profile.name, profile)
        _plant(root / "exports" / "north")
        for site in SITES:
            self.confide("deid", f"exports/{site}", f"deid/{site}", "--workers", "1")
        labels = "labels = [" + ", ".join(f'"{code}"' for code in condition_labels()) + "]\n"
        (root / "labels.toml").write_text(labels)
        folders = [f"deid/{site}" for site in SITES]
        self.confide("train", *folders, "--labels", "labels.toml", "--rounds", "2", "--yes", "--epsilon", "4")
        story = (
            "with sweating and nausea, after walking up the stairs to his flat; it goes into the left arm and the jaw"
        )
        note = f"{FIRST} {LAST} has chest pain since Tuesday, {story}. Denies fever. Takes aspirin 81 mg daily.\n"
        (root / "note.txt").write_text(note)
        self.care_view = self.confide("extract", "note.txt", "--site", "north")
        self.output.remove(self.care_view)

    def confide(self, *arguments: str, code: int = 0) -> str:
        """Run one command in a process of its own; what it prints is kept."""
        command = [sys.executable, "-m", "dashboard", *arguments]
        environment = {"CONFIDE_WORKSPACE": str(self.workspace.root), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        self.output.append(done.stdout + done.stderr)
        return self.output[-1]

    def entries(self, site: str) -> list[Entry]:
        opened = open_site(self.workspace, site)
        return read_entries(opened.home.audit, opened.keys.public)


def _plant(export: Path) -> None:
    """Give one patient of an export the canary's name, in the resource and all over the notes."""
    patient = json.loads((export / "Patient.ndjson").read_text().splitlines()[0])
    old = [patient["name"][0]["family"], *patient["name"][0]["given"]]
    notes = []
    for line in (export / "DocumentReference.ndjson").read_text().splitlines():
        document = json.loads(line)
        if document["subject"]["reference"] == f"Patient/{patient['id']}":
            attachment = document["content"][0]["attachment"]
            text = base64.b64decode(attachment["data"]).decode()
            for name in old:
                text = re.sub(rf"\b{name}\b", LAST, text)
            text += f"\nSeen with {FIRST} {LAST}; {LAST}, {FIRST} ({FIRST.upper()} {LAST.upper()}) agrees.\n"
            attachment["data"] = base64.b64encode(text.encode()).decode()
        notes.append(json.dumps(document))
    patient["name"] = [{"family": LAST, "given": [FIRST]}]
    patients = [json.dumps(patient), *(export / "Patient.ndjson").read_text().splitlines()[1:]]
    (export / "Patient.ndjson").write_text("\n".join(patients) + "\n")
    (export / "DocumentReference.ndjson").write_text("\n".join(notes) + "\n")


def test_the_canary_is_in_the_raw_export(road: Road) -> None:
    raw = (road.root / "exports" / "north" / "DocumentReference.ndjson").read_text()
    texts = [base64.b64decode(json.loads(line)["content"][0]["attachment"]["data"]) for line in raw.splitlines()]
    assert any(CANARY.search(text) for text in texts)


def test_no_other_file_holds_the_canary(road: Road) -> None:
    allowed = {road.root / "exports", road.root / "note.txt"}
    for path in road.root.rglob("*"):
        if path.is_file() and not allowed & {path, *path.parents}:
            data = path.read_bytes()
            assert not CANARY.search(data), path
            assert not CANARY.search(str(path).encode())
            for part in re.findall(rb"[A-Za-z0-9+/]{24,}", data):
                assert not CANARY.search(base64.b64decode(part[: len(part) // 4 * 4])), path


def test_the_vault_holds_it_for_care(road: Road) -> None:
    from clinical.gateway import list_notes, open_note

    north = everybody_treats(open_site(road.workspace, "north"))
    opened = [open_note(north, patient, record) for patient, record in list_notes(north)]
    assert any(LAST in note.name and LAST in note.text for note in opened)


def test_the_care_view_quotes_the_note(road: Road) -> None:
    assert "chest pain" in road.care_view
    assert any(quoted in road.care_view for quoted in (LAST, "Takes aspirin"))  # a sentence as evidence


def test_nothing_printed_elsewhere_holds_the_canary(road: Road) -> None:
    for site in SITES:
        road.confide("audit", "query", "--site", site, "--json")
    road.confide("budget", "show")
    road.confide("models", "list", "--json")
    road.confide("evaluate", "diagnosis", *(f"deid/{site}" for site in SITES))
    assert not any(CANARY.search(output.encode()) for output in road.output)


def test_every_arrow_left_an_entry(road: Road) -> None:
    events = [entry.event for entry in road.entries("north")]
    arrows = [
        Event.EXPORT_READ,
        Event.RECORDS_DEIDENTIFIED,
        Event.BUDGET_SPENT,  # first the count of the patients
        Event.UPDATE_RELEASED,
        Event.PLAN_APPROVED,
        Event.COHORT_PREPARED,
        Event.MODEL_LOADED,
        Event.NOTE_EXTRACTED,
    ]
    assert [event for event in dict.fromkeys(events) if event in arrows] == arrows


def test_epsilon_from_the_log_is_the_one_displayed(road: Road) -> None:
    shown = {row["site"]: row["spent"] for row in json.loads(road.confide("budget", "show", "--json"))}
    for site in SITES:
        spent = [entry.details for entry in road.entries(site) if entry.event is Event.BUDGET_SPENT]
        releases = [from_details(details["release"]) for details in spent]
        assert releases == [PATIENT_COUNT, *releases[1:]]
        assert len(releases) == 3
        recomputed = epsilon_text(epsilon([releases], float(spent[0]["delta"])))
        assert recomputed == shown[site] == spent[-1]["epsilon"]
    assert set(json.loads(road.confide("models", "list", "--json"))[0]["epsilon"].values()) == set(shown.values())


def test_a_study_over_the_budget_is_refused_before_it_starts(road: Road) -> None:
    before = road.entries("north")
    said = road.confide(
        "train", "deid/north", "deid/river", "--labels", "labels.toml", "--epsilon", "7", "--yes", code=5
    )
    assert "over the policy's 8" in said
    after = road.entries("north")[len(before) :]
    assert [entry.event for entry in after if entry.event is not Event.ACCESS_DECIDED] == [Event.BUDGET_REFUSED]


def test_the_update_is_numbers_of_the_adapter_alone(road: Road) -> None:
    from safetensors.numpy import load

    updates = sorted((road.workspace.root / "sites").rglob("round-*[1-9].safetensors"))  # 0 is the count
    assert len(updates) == len(SITES) * 2
    for update in updates:
        arrays = load(update.read_bytes())
        assert all("lora_B" in name or name.startswith("head.") for name in arrays)
        assert len(update.read_bytes()) < 200_000


def test_all_logs_verify_and_an_edit_shows(road: Road) -> None:
    road.confide("audit", "verify")
    log = road.workspace.site("river").audit / "edge.ndjson"
    whole = log.read_bytes()
    try:
        log.write_bytes(whole.replace(b'"round":1', b'"round":2', 1))
        assert "was altered" in road.confide("audit", "verify", code=7)
    finally:
        log.write_bytes(whole)
