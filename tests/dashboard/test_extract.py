"""confide extract writes the codes of what the hospital imported, and none without it."""

from __future__ import annotations

import json
from functools import partial

import pytest

from dashboard.cli import app
from tests.clinical.coding.test_library import LOINC, RXNORM, SNOMED
from tests.privacy.hospital import hospital

NOTE = "He takes aspirin 81 mg daily. Potassium 4.1. He had an appendectomy. He has gout.\n"
CODES = {"aspirin": ["1191"], "potassium": ["2823-3"], "appendectomy": ["80146002"], "gout": ["M10"]}


@pytest.fixture
def run(tmp_path, as_account):
    return partial(as_account, app, hospital(tmp_path / "w"))


@pytest.fixture
def extracted(run, tmp_path):
    note = tmp_path / "note.txt"
    note.write_text(NOTE)
    return lambda form: json.loads(run("alice", "extract", str(note), "--format", form).stdout)


def codings(bundle):
    """By the name that the note gives it, the codes of each resource that has one."""
    resources = [entry["resource"] for entry in bundle["entry"]]
    named = [own.get("code") or own.get("medicationCodeableConcept") for own in resources]
    return {own["text"]: [one["code"] for one in own.get("coding", ())] for own in named if own}


def test_an_imported_code_stands_in_fhir_and_json(run, extracted, tmp_path):
    assert codings(extracted("fhir")) == {**{name: [] for name in CODES}, "gout": CODES["gout"]}
    for name, lines in (("rxnorm", RXNORM), ("loinc", LOINC), ("snomed", SNOMED)):
        file = tmp_path / name
        file.write_text("\n".join(lines) + "\n", "utf-8")
        run("dave", "codes", "import", name, str(file))
    assert codings(extracted("fhir")) == CODES
    mentions = extracted("json")["facts"]["mentions"]
    assert {own["concept"]: [one["code"] for one in own["codes"]] for own in mentions} == CODES
