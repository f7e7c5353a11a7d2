"""Code systems are imported by hospital IT alone, listed, and asked about by phrase."""

import json
from functools import partial

import pytest

from dashboard.commands.codes import app
from policies.errors import AccessDenied, InputError
from tests.privacy.hospital import hospital

RXNORM = "1191|ENG||||||||||RXNORM|IN|1191|aspirin||N||\nshort\n"


@pytest.fixture
def workspace(tmp_path):
    return hospital(tmp_path / "w")


@pytest.fixture
def run(workspace, as_account):
    return partial(as_account, app, workspace)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "RXNCONSO.RRF"
    path.write_text(RXNORM)
    return path


def test_what_is_imported_is_listed_and_found(run, file):
    done = run("dave", "import", "rxnorm", str(file)).stdout
    assert f"{file}, line 2: " in done
    assert "RxNorm: 1 names of 1 codes from RXNCONSO.RRF, 1 lines left out" in done
    (listed,) = json.loads(run("alice", "list", "--json").stdout)
    assert (listed["system"], listed["codes"], listed["bad"]) == ("RxNorm", 1, 1)
    assert "rxnorm" in run("alice", "list").stdout
    (found,) = json.loads(run("alice", "find", "aspirin", "--kind", "medication", "--json").stdout)
    assert (found["code"], found["score"], found["because"]) == ("1191", 1.0, ["aspirin"])


def test_a_clinician_imports_nothing(run, workspace, file):
    with pytest.raises(AccessDenied):
        run("alice", "import", "rxnorm", str(file))
    assert json.loads(run("dave", "list", "--json").stdout) == []


def test_a_file_that_is_not_there(run, tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        run("dave", "import", "loinc", str(tmp_path / "none.csv"))


def test_icd10cm_is_always_there(run):
    shown = run("alice", "find", "left hip fracture").stdout
    assert "S72.002" in shown
    assert "encounter: initial" in shown
    assert "no code is alike enough" in run("alice", "find", "xyzzy").stdout
