"""The person behind a pseudonym, as the source knew them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from privacy.vault.originals import Vault
from privacy.vault.person import Person, person_of
from tests.privacy.hospital import PATIENT


def person(folder: Path, known: dict) -> Person:
    vault = Vault(folder, bytes(32))
    vault.put([("p", "p", json.dumps(known).encode())])
    return person_of(vault, "p")


def test_all_that_names_a_patient_is_there(tmp_path: Path) -> None:
    found = person(tmp_path, {**PATIENT, "telecom": [{"system": "phone", "value": "555-0100"}, {"value": "x@y.org"}]})
    assert (found.name, found.birth_date, found.identifiers) == ("Zebulon A. Quist", "1950-02-03", ("mrn 785-2774",))
    assert (found.telecom, found.addresses) == (("phone 555-0100", "x@y.org"), ("1 Main St Ames",))
    assert "Zebulon" not in repr(found)


@pytest.mark.parametrize("known", [{}, {"name": []}, {"name": [{}], "identifier": None}])
def test_a_patient_of_whom_little_is_known(tmp_path: Path, known: dict) -> None:
    assert person(tmp_path, known).name == ""
