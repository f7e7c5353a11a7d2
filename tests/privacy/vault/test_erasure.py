"""After an erasure nothing opens, and the proof holds exactly as long as that is so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from policies.access import Purpose
from policies.care_team import EVERY, Member
from policies.errors import AccessDenied, InputError, IntegrityError
from policies.events import Event
from policies.workspace import Workspace
from privacy.vault.codes import CodeBook
from privacy.vault.erasure import Erasure, erase_patient, holdings, verify_erasure
from privacy.vault.originals import Holding, Vault
from privacy.vault.reidentification import approve, list_requests, open_patient, request
from tests.policies.logs import happened
from tests.privacy.hospital import CANARY, at, hospital

PLAN = "a" * 64


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Both patients have hidden states in the cache of a plan as well."""
    workspace = hospital(tmp_path / "w")
    site = at(workspace, "dave")
    Vault(site.home.cache(PLAN), site.keys.wrapping).put([("p1", "states", b"1"), ("p2", "states", b"2")])
    return workspace


def erased(workspace: Workspace) -> Erasure:
    return erase_patient(at(workspace, "bob"), "p1", Purpose.PATIENT_REQUEST)


def vaults(workspace: Workspace) -> list[Vault]:
    site = at(workspace, "dave")
    return [Vault(folder, site.keys.wrapping) for folder in (site.home.vault, site.home.cache(PLAN))]


def test_all_of_one_patient_goes_and_the_other_stays(workspace: Workspace) -> None:
    erased(workspace)
    assert [vault.kept() for vault in vaults(workspace)] == [[("p2", "d2"), ("p2", "p2")], [("p2", "states")]]
    for vault, record in zip(vaults(workspace), ("d1", "states"), strict=True):
        with pytest.raises(IntegrityError, match="erased"):
            vault.get("p1", record)
        with pytest.raises(IntegrityError, match="erased"):
            vault.key_of("p1")
    assert holdings(at(workspace, "dave"), "p2")


def test_the_proof_names_what_was_destroyed(workspace: Workspace) -> None:
    held = holdings(at(workspace, "dave"), "p1")
    done, site = erased(workspace), at(workspace, "dave")
    assert done.vaults == held == {
        "vault": Holding(held["vault"].key_sha256, 2), f"cache/{PLAN}": Holding(held[f"cache/{PLAN}"].key_sha256, 1)
    }  # fmt: skip
    entry, refused = happened(site.home.audit, site.keys.public)
    assert (refused.event, refused.details["patient"]) == (Event.CONSENT_RECORDED, "p1")
    assert (entry.event, entry.sequence, entry.actor) == (Event.PATIENT_ERASED, done.entry, "bob")
    assert entry.details["patient"] == "p1"
    assert entry.details["keys"] == {name: holding.key_sha256 for name, holding in held.items()}
    body = json.loads(done.file.read_bytes())["erasure"]
    assert (body["site"], body["purpose"], body["actor"]) == ("north", "PATRQT", "bob")
    assert any("backups" in matter for matter in body["not_covered"])
    assert CANARY not in done.file.read_text()
    assert verify_erasure(site, done.file) == done


def test_requests_about_the_patient_end_and_others_stay(workspace: Workspace) -> None:
    numbers = [request(at(workspace, "alice"), patient, Purpose.TREATMENT, "why").id for patient in ("p1", "p2")]
    approve(at(workspace, "bob"), numbers[0])
    assert erased(workspace).requests == 1
    assert [asked.id for asked in list_requests(at(workspace, "bob"))] == numbers[1:]
    with pytest.raises(InputError, match="no request"):
        open_patient(at(workspace, "alice"), numbers[0])
    with pytest.raises(InputError, match="no such patient"):
        request(at(workspace, "alice"), "p1", Purpose.TREATMENT, "why")


def test_a_request_that_was_put_back_opens_nothing(workspace: Workspace) -> None:
    number = request(at(workspace, "alice"), "p1", Purpose.TREATMENT, "why").id
    approve(at(workspace, "bob"), number)
    path = at(workspace, "dave").home.request(number)
    kept = path.read_bytes()
    erased(workspace)
    path.write_bytes(kept)
    with pytest.raises(IntegrityError, match="erased"):
        open_patient(at(workspace, "alice"), number)


def test_a_calibration_that_rests_on_the_patient_goes_too(workspace: Workspace) -> None:
    kept = at(workspace, "bob").home.calibration("0" * 16)
    kept.parent.mkdir()
    kept.write_bytes(b"sealed")
    erased(workspace)
    assert not kept.exists()


def test_nobody_is_on_the_care_team_of_who_is_gone(workspace: Workspace) -> None:
    teams = at(workspace, "dave").guard.care_teams
    teams.change([Member("p1", "carol"), Member(EVERY, "carol")])
    erased(workspace)
    assert teams.every() == [Member(EVERY, "carol")]


def test_random_codes_are_tied_to_nothing_afterwards(workspace: Workspace) -> None:
    site = at(workspace, "bob")
    book, keyed = CodeBook(site.home.vault, site.keys.pseudonyms), "f" * 32
    code = book.translate([(keyed, keyed), ("e" * 32, keyed)])[keyed]
    Vault(site.home.vault, site.keys.wrapping).put([(code, code, b"{}")])
    assert erase_patient(site, code, Purpose.LEGAL).codes == 2
    assert book.translate([(keyed, keyed)])[keyed] != code


@pytest.mark.parametrize(
    ("actor", "purpose"), [("alice", Purpose.PATIENT_REQUEST), ("dave", Purpose.LEGAL), ("bob", Purpose.RESEARCH)]
)
def test_only_an_officer_erases_and_only_for_these_purposes(workspace: Workspace, actor: str, purpose: Purpose) -> None:
    with pytest.raises(AccessDenied):
        erase_patient(at(workspace, actor), "p1", purpose)
    assert len(holdings(at(workspace, "dave"), "p1")) == 2


def test_nobody_is_erased_twice(workspace: Workspace) -> None:
    erased(workspace)
    for patient in ("p1", "p9", "../p2"):
        with pytest.raises(InputError, match="nothing is kept"):
            erase_patient(at(workspace, "bob"), patient, Purpose.LEGAL)


def test_an_edited_request_stops_it_before_anything_is_destroyed(workspace: Workspace) -> None:
    number = request(at(workspace, "alice"), "p1", Purpose.TREATMENT, "why").id
    path = at(workspace, "dave").home.request(number)
    path.write_text(path.read_text().replace('"p1"', '"p2"'))
    with pytest.raises(IntegrityError, match="edited"):
        erased(workspace)
    assert len(holdings(at(workspace, "dave"), "p1")) == 2


def test_a_log_that_cannot_be_written_stops_it(workspace: Workspace) -> None:
    site = at(workspace, "bob")
    site.guard.record(Event.EXPORT_READ)
    (site.home.audit / "edge.ndjson").write_bytes(b"")
    with pytest.raises(IntegrityError):
        erased(workspace)
    assert len(holdings(site, "p1")) == 2


def test_what_stopped_half_way_is_gone_on_with(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the moment, the original key goes last."""
    real, calls = Vault.erase, list[str]()

    def once(vault: Vault, patient: str) -> Holding | None:
        calls.append(patient)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(vault, patient)

    monkeypatch.setattr(Vault, "erase", once)
    with pytest.raises(KeyboardInterrupt):
        erased(workspace)
    assert set(holdings(at(workspace, "dave"), "p1")) == {"vault"}
    assert set(erased(workspace).vaults) == {"vault"}


# Proofs.


@pytest.mark.parametrize("edit", [{"patient": "p2"}, {"actor": "carol"}, {"codes": 7}, {"vaults": {}}])
def test_an_edited_proof_is_refused(workspace: Workspace, edit: dict[str, object]) -> None:
    proof = erased(workspace).file
    document = json.loads(proof.read_bytes())
    document["erasure"].update(edit)
    proof.write_text(json.dumps(document))
    with pytest.raises(IntegrityError, match="edited"):
        verify_erasure(at(workspace, "dave"), proof)


def test_a_key_that_was_put_back_breaks_the_proof(workspace: Workspace) -> None:
    """As a restored backup does."""
    database = at(workspace, "dave").home.vault / "originals.sqlite"
    backup = database.read_bytes()
    proof = erased(workspace).file
    database.write_bytes(backup)
    with pytest.raises(IntegrityError, match="was not destroyed"):
        verify_erasure(at(workspace, "dave"), proof)


def test_a_patient_who_came_back_breaks_the_proof(workspace: Workspace) -> None:
    proof = erased(workspace).file
    vaults(workspace)[0].put([("p1", "d1", b"again")])
    with pytest.raises(IntegrityError, match="came back"):
        verify_erasure(at(workspace, "dave"), proof)


def test_a_proof_of_another_site_or_log_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    proof, other = erased(workspace).file, hospital(tmp_path / "other")
    with pytest.raises(IntegrityError, match="signed by another"):
        verify_erasure(at(other, "dave"), proof)
    site = at(workspace, "dave")
    for path in site.home.audit.iterdir():
        path.unlink()
    with pytest.raises(IntegrityError, match="no erasure"):
        verify_erasure(site, proof)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"erasure": {}, "signature": "x"}'])
def test_what_is_no_proof_is_refused(workspace: Workspace, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "proof").write_bytes(data)
    with pytest.raises(IntegrityError):
        verify_erasure(at(workspace, "dave"), tmp_path / "proof")
    with pytest.raises(InputError):
        verify_erasure(at(workspace, "dave"), tmp_path / "nowhere")
