import errno
import json
import os
import re
import stat

import pytest
from fhir.resources.R4B.documentreference import DocumentReference

from clinical.deid import Options, deidentify_source, job
from clinical.deid import pool as pools
from clinical.deid.pool import Engine
from clinical.manifest import read_manifest
from policies.errors import AccessDenied, InputError, IntegrityError, PolicyError, StorageError
from policies.events import Event
from policies.files import file_sha256, sha256_hex
from policies.guard import open_site
from policies.policy import default_policy_text
from policies.workspace import Workspace
from privacy.vault.originals import Vault
from privacy.vault.pseudonyms import Pseudonyms
from tests.clinical.exports import CANARY, condition, document, note_text, patient, write_export
from tests.policies.logs import happened


@pytest.fixture
def workspace(tmp_path):
    made = Workspace(tmp_path / "workspace")
    made.root.mkdir()
    policy(made)
    return made


@pytest.fixture
def site(workspace):
    return open_site(workspace, "north", "alice")


@pytest.fixture
def source(tmp_path):
    return write_export(
        tmp_path / "in",
        patient("p1"), document("d1", "p1"), condition("c1", "p1"),
        b'{"resourceType": "Condi', document("d2", "p1", " "), {"resourceType": "Starship", "id": "x"},
    )  # fmt: skip


def run(site, source, out, advance=None, **options):
    return deidentify_source(site, source, out, Options(as_of=2026, **options), advance)


def policy(workspace, **keys):
    """The default policy without the tagger, whose own tests are elsewhere, and with other keys changed."""
    text = default_policy_text("alice").replace("tagger = true", "tagger = false")
    for key, value in keys.items():
        text = re.sub(rf'^{key} = "\w+"', f'{key} = "{value}"', text, flags=re.MULTILINE)
    workspace.policy.write_text(text)


def lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_an_export_goes_in_and_a_deidentified_one_comes_out(site, source, tmp_path):
    out = tmp_path / "out"
    report = run(site, source, out)
    assert {p.name for p in out.iterdir()} == {
        "Patient.ndjson", "DocumentReference.ndjson", "Condition.ndjson", "manifest.json"
    }  # fmt: skip
    (note,) = lines(out / "DocumentReference.ndjson")
    assert note_text(note) == "[NAME] was seen on [DATE 2019]."
    DocumentReference.model_validate(note)
    (who,) = lines(out / "Patient.ndjson")
    assert note["subject"]["reference"] == f"Patient/{who['id']}"
    assert (report.patients, report.notes, report.findings) == (1, 1, {"DATE": 1, "NAME": 1})
    assert report.records == {"Condition": 1, "DocumentReference": 1, "Patient": 1}
    assert report.problems == {"empty note": 1, "not JSON": 1, "unknown resource type": 1}


def test_the_canary_stays_in_the_raw_export(site, source, tmp_path, workspace):
    run(site, source, tmp_path / "out")
    for folder in (tmp_path / "out", workspace.root):
        for path, data in files(folder).items():
            assert CANARY.encode() not in data, path


def test_originals_are_in_the_vault_under_pseudonyms(site, source, tmp_path):
    run(site, source, tmp_path / "out")
    names, vault = Pseudonyms(site.keys.pseudonyms), Vault(site.home.vault, site.keys.wrapping)
    whose = names.of("Patient", "p1")
    assert vault.get(whose, names.of("DocumentReference", "d1")).decode().startswith(CANARY)
    assert CANARY.encode() in vault.get(whose, whose)


def test_problems_stay_at_the_site_and_name_file_and_line(site, source, tmp_path):
    report = run(site, source, tmp_path / "out")
    assert {(p["file"], p["line"], p["kind"]) for p in lines(report.problem_file)} == {
        ("everything.ndjson", 4, "not JSON"),
        ("everything.ndjson", 5, "empty note"),
        ("everything.ndjson", 6, "unknown resource type"),
    }
    assert site.home.root in report.problem_file.parents
    assert stat.S_IMODE(report.problem_file.stat().st_mode) == 0o600


def test_the_manifest_is_signed_and_names_every_file(site, source, tmp_path):
    out = tmp_path / "out"
    report = run(site, source, out)
    manifest = read_manifest(out, site.keys.public)
    assert manifest["policy"] == site.guard.policy.digest
    assert (manifest["legal_basis"], manifest["mode"], manifest["as_of"]) == ("expert_determination", "tag", 2026)
    assert manifest["findings"] == report.findings
    assert file_sha256(out / "manifest.json") == report.manifest


@pytest.mark.parametrize("name", ["Patient.ndjson", "manifest.json", "extra.ndjson"])
def test_an_altered_output_does_not_verify(site, source, tmp_path, name):
    out = tmp_path / "out"
    run(site, source, out)
    path = out / name
    path.write_bytes(path.read_bytes().replace(b'"as_of":2026', b'"as_of":2027') + b" " if path.exists() else b"{}")
    with pytest.raises(IntegrityError):
        read_manifest(out, site.keys.public)


def test_no_manifest_is_a_clear_error(site, tmp_path):
    with pytest.raises(InputError, match="no manifest"):
        read_manifest(tmp_path, site.keys.public)


def test_the_log_tells_what_was_read_done_and_left_out(site, source, tmp_path):
    report = run(site, source, tmp_path / "out")
    read, done = happened(site.home.audit, site.keys.public)
    assert (read.event, done.event) == (Event.EXPORT_READ, Event.RECORDS_DEIDENTIFIED)
    assert read.details["files"] == 1
    assert read.details["sha256"] == sha256_hex(file_sha256(source / "everything.ndjson").encode())
    assert done.details["manifest"] == report.manifest
    assert done.details["problems"] == dict(report.problems)


def test_who_has_no_right_is_refused_before_anything_is_read(workspace, source, tmp_path):
    with pytest.raises(AccessDenied):
        run(open_site(workspace, "north", "mallory"), source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_transform_that_the_legal_basis_does_not_allow_is_refused(workspace, source, tmp_path):
    policy(workspace, legal_basis="safe_harbor", dates="shift", pseudonyms="random")
    with pytest.raises(PolicyError, match=r"164\.514\(b\)\(2\)\(i\)\(C\)"):
        run(open_site(workspace, "north", "alice"), source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_under_safe_harbor_codes_come_from_nothing_but_the_vault(workspace, source, tmp_path):
    policy(workspace, legal_basis="safe_harbor", pseudonyms="random")
    workspace.policy.write_text(workspace.policy.read_text().replace("tagger = false", "tagger = true"))
    site = open_site(workspace, "north", "alice")
    run(site, source, tmp_path / "one")
    keyed = Pseudonyms(site.keys.pseudonyms)
    everything = b"".join(files(tmp_path / "one").values())
    for kind, value in (("Patient", "p1"), ("DocumentReference", "d1"), ("Condition", "c1")):
        assert keyed.of(kind, value).encode() not in everything
    (note,), (who,) = lines(tmp_path / "one/DocumentReference.ndjson"), lines(tmp_path / "one/Patient.ndjson")
    assert note["subject"]["reference"] == f"Patient/{who['id']}"
    assert Vault(site.home.vault, site.keys.wrapping).get(who["id"], note["id"]).decode().startswith(CANARY)
    run(site, source, tmp_path / "two")
    assert lines(tmp_path / "two/Patient.ndjson") == [who]  # one workspace, one code


def hospital(folder):
    people = [patient(f"p{i}", f"Quist{i}") for i in range(9)]
    notes = [document(f"d{i}", f"p{i % 9}", f"{CANARY} Quist{i % 9} came on 3/{i}/2019.") for i in range(1, 20)]
    return write_export(folder, *people, *notes)


@pytest.mark.parametrize("options", [{"workers": 2}, {"workers": 2, "engine": Engine.RAY}])
@pytest.mark.parametrize("mode", ["tag", "surrogate", "encrypt"])
def test_several_workers_write_the_same_bytes_as_one(workspace, tmp_path, monkeypatch, options, mode):
    if mode != "tag" and "engine" in options:
        pytest.skip("a cluster is started once")
    monkeypatch.setattr(pools, "BATCH", 3)
    policy(workspace, mode=mode)
    site, counted = open_site(workspace, "north", "alice"), []
    source = hospital(tmp_path / "in")
    one = run(site, source, tmp_path / "one", advance=counted.append)
    two = run(site, source, tmp_path / "two", **options)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert one.notes == two.notes == 19
    assert sum(counted) == 28


def test_a_fault_of_ours_is_not_taken_for_one_of_the_records(site, source, tmp_path, monkeypatch):
    def broken(*_):
        raise ValueError("a table that does not parse")

    monkeypatch.setattr("privacy.subject.TextDeidentifier", broken)
    with pytest.raises(ValueError, match="does not parse"):
        run(site, source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


class Killed(BaseException):
    pass


def killed(site, source, out, monkeypatch, after=2):
    """A job over `hospital` that ends after some batches of three."""
    calls, write = [], job._Job._write

    def until(*arguments):
        calls.append(arguments)
        if len(calls) > after:
            raise Killed
        return write(*arguments)

    monkeypatch.setattr(pools, "BATCH", 3)
    monkeypatch.setattr(job._Job, "_write", until)
    with pytest.raises(Killed):
        run(site, source, out)
    monkeypatch.setattr(job._Job, "_write", write)


@pytest.mark.parametrize("after", range(1, 10))
def test_a_job_that_was_killed_goes_on_without_losing_or_repeating_a_note(site, tmp_path, monkeypatch, after):
    source = hospital(tmp_path / "in")
    run(site, source, tmp_path / "whole")
    killed(site, source, tmp_path / "out", monkeypatch, after)
    assert not (tmp_path / "out").exists()
    report = run(site, source, tmp_path / "out")
    assert report.resumed == 3 * after
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_what_a_killed_job_left_is_not_gone_on_with_under_another_policy(workspace, tmp_path, monkeypatch):
    source = hospital(tmp_path / "in")
    killed(open_site(workspace, "north", "alice"), source, tmp_path / "out", monkeypatch)
    policy(workspace, mode="redact")
    report = run(open_site(workspace, "north", "alice"), source, tmp_path / "out")
    assert report.resumed == 0
    assert b"[NAME]" not in b"".join(files(tmp_path / "out").values())


def test_a_note_in_which_a_guard_finds_something_is_kept_back_and_the_rest_goes_on(site, tmp_path):
    misspelled = document("d1", "p1", "the kazcmarek family called")
    source = write_export(tmp_path / "in", patient("p1", "Kaczmarek"), misspelled, document("d2", "p1", "Seen."))
    report = run(site, source, tmp_path / "out")
    assert report.problems == {"quarantined": 1}
    assert report.notes == 1
    names, vault = Pseudonyms(site.keys.pseudonyms), Vault(site.home.vault, site.keys.wrapping)
    assert vault.get(names.of("Patient", "p1"), names.of("DocumentReference", "d1"))  # care still needs it


@pytest.mark.parametrize("mode", ["tag", "redact"])
def test_deidentified_notes_that_are_deidentified_again_stay_as_they_are(workspace, tmp_path, mode):
    workspace.policy.write_text(default_policy_text("alice").replace('mode = "tag"', f'mode = "{mode}"'))
    site = open_site(workspace, "north", "alice")
    text = "Zebulon Quist, seen 3/14/2019 with Ybarra. Port-A-Cath flushed by Maren Holt, RN; on Coumadin and Lovenox."
    run(site, write_export(tmp_path / "in", patient("p1"), document("d1", "p1", text)), tmp_path / "once")
    run(site, tmp_path / "once", tmp_path / "twice")
    once, twice = (note_text(lines(tmp_path / out / "DocumentReference.ndjson")[0]) for out in ("once", "twice"))
    assert once == twice != text


@pytest.mark.parametrize("options", [{}, {"patient": "A1"}])
def test_texts_of_an_earlier_output_are_refused_by_its_manifest(site, tmp_path, options):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "letter").write_text(f"{CANARY} Quist was seen.")
    run(site, tmp_path / "in", tmp_path / "out", patient="A1")
    with pytest.raises(InputError, match="written by Confide and holds texts"):
        run(site, tmp_path / "out", tmp_path / "again", **options)


@pytest.mark.parametrize(
    "broken",
    [
        {"identifier": None},
        {"identifier": [{"type": ["MR"]}]},
        {"name": {"family": "Quist"}},
        {"telecom": 5},
        {"name": [{"family": "Qui\ud800st"}]},
    ],
)
def test_a_patient_of_another_shape_is_left_out_and_the_rest_goes_on(site, tmp_path, broken):
    source = write_export(
        tmp_path / "in", {**patient("p1"), **broken}, document("d1", "p1"), patient("p2"), document("d2", "p2")
    )
    report = run(site, source, tmp_path / "out")
    assert (report.patients, report.notes) == (1, 1)
    assert sum(report.problems.values()) == 2


def test_a_run_over_renamed_files_does_not_go_on_where_another_stopped(site, tmp_path, monkeypatch):
    source = hospital(tmp_path / "in")
    killed(site, source, tmp_path / "out", monkeypatch)
    (source / "everything.ndjson").rename(source / "renamed.ndjson")
    assert run(site, source, tmp_path / "out").resumed == 0


def test_a_file_that_appears_beside_the_records_does_not_shift_where_a_job_goes_on(site, tmp_path, monkeypatch):
    source = hospital(tmp_path / "in")
    killed(site, source, tmp_path / "out", monkeypatch)
    (source / ".DS_Store").write_bytes(b"x")
    report = run(site, source, tmp_path / "out")
    assert (report.resumed, report.notes, report.problems) == (0, 19, {"hidden file": 1})


def test_every_file_is_hashed_once_and_all_people_are_read_once(site, source, tmp_path, monkeypatch):
    hashed, read = [], []
    monkeypatch.setattr(job, "file_sha256", lambda path: (hashed.append(path), file_sha256(path))[1])
    people = job.MixedSource.people
    monkeypatch.setattr(job.MixedSource, "people", lambda mixed: (read.append(mixed), people(mixed))[1])
    run(site, source, tmp_path / "out")
    assert (hashed, len(read)) == ([source / "everything.ndjson"], 1)


def test_the_name_of_a_file_is_told_in_the_owners_report_of_problems_alone(site, tmp_path, workspace):
    source = write_export(tmp_path / "in", patient("p1"), document("d1", "p1"), name=f"{CANARY} Quist.ndjson")
    (source / f"{CANARY}.pdf").write_bytes(b"%PDF")
    (source / f"{CANARY}.csv").write_text("note,age\nx,3\n")
    report = run(site, source, tmp_path / "out")
    assert {p["file"] for p in lines(report.problem_file)} == {f"{CANARY}.pdf", f"{CANARY}.csv"}
    for folder in (tmp_path / "out", workspace.root):
        for path, data in files(folder).items():
            assert CANARY not in str(path) and (CANARY.encode() not in data or folder / path == report.problem_file)


def test_nothing_that_was_not_signed_is_replaced(site, source, tmp_path):
    out = tmp_path / "out"
    run(site, source, out)
    (out / "thesis.txt").write_text("dear")
    with pytest.raises(InputError, match="not signed by this site"):
        run(site, source, out, overwrite=True)
    for inside in (source / "out", source):
        with pytest.raises(InputError, match="in one another"):
            run(site, source, inside, overwrite=True)
    assert (out / "thesis.txt").read_text() == "dear"


def test_one_person_under_two_ids_is_one_patient(site, tmp_path):
    number = [{"type": {"coding": [{"code": "MR"}]}, "value": "44-1871"}]
    source = write_export(
        tmp_path / "in",
        {**patient("p1"), "identifier": number},
        {**patient("p2"), "identifier": [{**number[0], "value": "441871"}]},
        document("d1", "p1"),
        document("d2", "p2"),
    )
    report = run(site, source, tmp_path / "out")
    assert (report.patients, report.problems) == (1, {"patient again": 1})
    assert len({note["subject"]["reference"] for note in lines(tmp_path / "out/DocumentReference.ndjson")}) == 1


def test_two_persons_under_one_number_are_left_out(site, tmp_path):
    number = [{"type": {"coding": [{"code": "MR"}]}, "value": "441871"}]
    source = write_export(
        tmp_path / "in",
        {**patient("p1"), "identifier": number, "birthDate": "1950-01-02"},
        {**patient("p2"), "identifier": number, "birthDate": "1980-01-02"},
        document("d1", "p2"),
        patient("p3"),
    )
    assert run(site, source, tmp_path / "out").problems == {"two patients with one number": 3}


def test_two_jobs_never_write_one_folder(site, source, tmp_path):
    with job._unfinished(tmp_path / "out"), pytest.raises(InputError, match="another process"):
        run(site, source, tmp_path / "out")


def test_a_patient_who_cannot_be_read_lets_no_name_through_and_the_rest_goes_on(site, tmp_path):
    source = write_export(
        tmp_path / "in",
        {**patient("p1"), "name": "Zebulon Quist"},
        patient("p2"),
        document("d1", "p1"),
        document("d2", "p2"),
    )
    report = run(site, source, tmp_path / "out")
    assert report.problems == {"unknown patient": 2}
    assert report.notes == 1
    assert CANARY not in report.problem_file.read_text()


def test_an_out_that_is_not_ours_is_never_touched(site, source, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("dear")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="not signed by this site"):
            run(site, source, out, overwrite=overwrite)
    assert (out / "thesis.txt").read_text() == "dear"


def test_an_out_of_ours_is_replaced_only_when_asked(site, source, tmp_path):
    out = tmp_path / "out"
    run(site, source, out)
    write_export(source, patient("p2"), document("d3", "p2"))
    with pytest.raises(InputError, match="already"):
        run(site, source, out)
    run(site, source, out, overwrite=True)
    assert len(lines(out / "DocumentReference.ndjson")) == 1
    assert not (out / "Condition.ndjson").exists()
    assert {p.name for p in tmp_path.iterdir()} == {"in", "out", "workspace"}


def test_a_full_disk_leaves_the_older_output_as_it_was(site, source, tmp_path, monkeypatch):
    out = tmp_path / "out"
    run(site, source, out)
    before = files(out)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(job, "write_manifest", full)
    with pytest.raises(StorageError, match="full"):
        run(site, source, out, overwrite=True)
    assert files(out) == before
    monkeypatch.undo()
    run(site, source, out, overwrite=True)
    assert {p.name for p in tmp_path.iterdir()} == {"in", "out", "workspace"}


def test_a_table_that_says_whose_a_text_is_names_the_texts_own_file(workspace, tmp_path):
    policy(workspace, pseudonyms="random")
    site, source = open_site(workspace, "north", "alice"), tmp_path / "in"
    source.mkdir()
    (source / "letter").write_text("Seen again.")
    (source / "whose").write_text("file,mrn\nscans/letter,4711\n,4712\n")
    (source / "zvisits").write_text("mrn,diagnosis\n4711,Seen again.\n")
    (tmp_path / "columns").write_text("[columns]\ndiagnosis = 'text'\n")
    run(site, source, tmp_path / "out", columns=tmp_path / "columns")
    (document,) = lines(tmp_path / "out/documents.ndjson")
    header, row, empty = (tmp_path / "out/table-0002.csv").read_text().splitlines()
    assert (header, row.split(",")[0], empty[0]) == ("file,mrn", document["file"], ",")
    assert (tmp_path / "out" / document["file"]).is_file()
    manifest = read_manifest(tmp_path / "out", site.keys.public)
    assert manifest["tables_without_text"] == ["table-0002.csv"] and "table-0003.csv" in manifest["files"]
