"""The main path of each role in a real browser: a patient found and read, a file looked at, an export, a rollback."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dashboard.signin import sessions
from policies.audit import read_entries
from policies.events import Event
from policies.guard import account_name, open_server, open_site
from policies.models import CARD, list_models, sign_model
from policies.serving import in_use
from policies.workspace import Workspace
from tests.dashboard.browser.conftest import NARROW, WIDE, Visitor
from tests.dashboard.conftest import CANARY, HOSTILE

Come = Callable[..., Visitor]


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["1280", "390"])
def test_a_clinician_finds_a_patient_and_reads_the_note(visitor: Come, size: tuple[int, int]) -> None:
    here = visitor(size)
    here.sign_in()
    here.choose("Clinician", "treatment of the patient")
    here.open("patient-list")
    here.page.get_by_label("Name, date of birth").fill("quist")
    here.page.keyboard.press("Enter")
    here.page.wait_for_timeout(500)
    here.settled()
    here.page.get_by_role("button", name="Quist").click()
    here.page.get_by_role("button", name="Open this note").first.click()
    here.page.get_by_text("chest pain", exact=True).first.wait_for()
    assert CANARY in here.text and HOSTILE[:30] in here.text  # markup of the note shows as text
    assert here.page.locator(".note mark.negated").first.inner_text().startswith("chest pain")
    assert CANARY not in here.page.url and "patient-note" in here.page.url
    bundle = json.loads(here.downloaded(here.page.get_by_role("button", name="Download what was read as FHIR")))
    assert bundle["resourceType"] == "Bundle" and bundle["entry"]


def test_a_file_is_looked_at_and_not_kept(visitor: Come, served: tuple[Workspace, str], tmp_path: Path) -> None:
    file = tmp_path / "visit.txt"
    file.write_text("Zorbas Quentin denies fever. Takes lisinopril 10 mg daily.")
    here = visitor()
    here.sign_in()
    here.choose("Clinician", "treatment of the patient")
    here.open("one-look")
    here.page.get_by_text("Upload a file").click()
    here.settled()
    here.page.locator('input[type="file"]').set_input_files(file)
    here.page.locator(".note mark.negated").first.wait_for()
    assert "lisinopril" in here.text
    kept = [path for path in served[0].root.rglob("*") if path.is_file() and b"Zorbas" in path.read_bytes()]
    assert kept == []


def test_an_officer_takes_the_log_along(visitor: Come) -> None:
    here = visitor()
    here.sign_in()
    here.choose("Compliance officer")
    here.open("audit-log")
    assert "Verified" in here.text
    assert not here.page.get_by_label("Download as CSV: ", exact=False).first.is_visible()  # which no log would hold
    button = here.page.get_by_test_id("stDownloadButton").get_by_role("button", name="CSV")
    here.settled()
    rows = list(csv.DictReader(io.StringIO(here.downloaded(button).decode())))
    assert {"sequence", "event", "details"} <= rows[0].keys() and any(row["event"] == "signin" for row in rows)


def test_a_page_that_outlives_its_session_hands_out_nothing(visitor: Come, served: tuple[Workspace, str]) -> None:
    """Signed out in another tab: the button is there still, until the page is taken off the screen."""
    site = open_site(served[0], "north")

    def exports() -> int:
        entries = read_entries(site.home.audit, site.keys.public)
        return sum(entry.event is Event.AUDIT_EXPORTED for entry in entries)

    here = visitor()
    here.sign_in()
    here.choose("Compliance officer")
    here.open("audit-log")
    before = exports()
    button = here.page.get_by_test_id("stDownloadButton").get_by_role("button", name="CSV")
    button.wait_for()
    sessions(served[0]).end_all(account_name())
    button.click()
    here.page.get_by_text("your session ended", exact=False).wait_for()
    assert exports() == before


def test_hospital_it_takes_a_model_back(visitor: Come, served: tuple[Workspace, str]) -> None:
    place = served[0]
    (older,) = list_models(place.models, place.trusted)
    card = json.loads((older.folder / CARD).read_bytes()) | {"created": "2099-01-01T00:00:00+00:00", "study": "second"}
    newer = sign_model(place.models, older.weights.read_bytes(), card, open_server(place).keys)
    site = open_site(place, "north")
    assert in_use(site, place).name == newer.name
    here = visitor()
    here.sign_in()
    here.choose("Hospital IT")
    here.open("signed-models")
    here.page.get_by_role("button", name="back", exact=False).first.click()
    here.page.get_by_role("button", name="Yes, change it").click()
    here.page.get_by_text(f"goes back to model {older.name}").wait_for()
    assert in_use(site, place).name == older.name
