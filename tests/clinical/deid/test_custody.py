"""What goes into the vault does so batch by batch, not record by record."""

from collections import Counter

import pytest

from clinical.deid.custody import Custody
from clinical.deid.worker import Work
from policies.guard import open_site
from policies.policy import default_policy_text
from policies.workspace import Workspace
from privacy.records import Format, RawRecord
from privacy.vault.database import Database
from tests.clinical.exports import patient


@pytest.fixture
def custody(tmp_path):
    workspace = Workspace(tmp_path / "w")
    workspace.root.mkdir()
    text = default_policy_text("alice").replace('pseudonyms = "keyed"', 'pseudonyms = "random"')
    workspace.policy.write_text(text.replace('mode = "tag"', 'mode = "encrypt"'))
    made = Custody(open_site(workspace, "north", "alice"))
    assert made._book and made._seals
    return made


@pytest.fixture
def writes(monkeypatch):
    counted, writing = Counter(), Database.writing
    monkeypatch.setattr(Database, "writing", lambda self: (counted.update(["writes"]), writing(self))[1])
    return counted


def work(note, owner):
    raw = RawRecord(Format.FHIR, "DocumentReference", owner, note, {}, f"note {note}", "in", 1)
    return Work(raw, patient(owner))


WORKS = [work(f"d{number}", f"p{number % 3}") for number in range(9)]


def test_a_batch_is_kept_in_two_transactions_codes_and_originals(custody, writes):
    new = custody.keep(iter(WORKS), frozenset())
    assert writes["writes"] == 2
    assert len(new) == 3 and new == custody._vault.patients()
    assert len(custody._vault.kept()) == 12
    assert custody.keep(WORKS, frozenset(new[:1])) == new[1:]


def test_notes_lie_under_the_codes_that_are_released(custody):
    custody.keep(WORKS, frozenset())
    owner, note = custody._patient(WORKS[0]), custody._record(WORKS[0])
    codes = custody.codes([(owner, owner), (note, owner)])
    assert custody._vault.get(codes[owner], codes[note]) == b"note d0"


def test_the_key_of_a_patient_is_fetched_once(custody, writes):
    tokens = [custody.tokens(one) for one in WORKS]
    assert writes["writes"] == 3 * 2  # a code and a key for each of three patients
    assert tokens[0] == tokens[3] != tokens[1]
    assert custody.keep(WORKS, frozenset()) == sorted({token.patient for token in tokens})
    assert custody.tokens(Work(WORKS[0].record, None)) is None
