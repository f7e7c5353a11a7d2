"""'confide audit': questions, exports, reviews and pruning, each permitted, logged, and of a log that verifies."""

from __future__ import annotations

import csv
import io
import json
import shutil
import stat

import pytest
from typer.testing import CliRunner

from dashboard.cli import app
from policies.audit import read_entries
from policies.errors import AccessDenied, InputError, IntegrityError
from policies.events import Event
from policies.files import sha256_hex
from policies.guard import open_site
from policies.keys import create_keys, public_key_pem
from policies.logview import look
from policies.notes import Verifier, cosignature_line
from policies.witness import attach
from privacy.vault.originals import Vault

FINDING = "two denials of bob, who had left; nothing else"


def run(*words: str, text: str = "") -> str:
    done = CliRunner().invoke(app, list(words), input=text)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.stdout


def asked(*words: str) -> list[dict]:
    return json.loads(run("audit", "query", "--json", "--limit", "1000", *words))


def test_a_question_finds_what_it_asks_for_in_one_log_or_in_all(site):
    spent = asked("--event", "budget.spent")
    assert [row["event"] for row in spent] == ["budget.spent"] * 3
    assert {row["log"] for row in asked()} == {"north", "server"}
    assert {row["log"] for row in asked("--site", "server")} == {"server"}
    assert asked("--actor", "nobody") == asked("--since", "2999-01-01") == asked("--outcome", "failed") == []


def test_verify_says_what_it_found_and_fails_on_an_edited_log(site):
    assert "north: " in run("audit", "verify") and "entries verified" in run("audit", "verify", "--witnesses")
    site.guard.log.start("server")
    edge = site.home.audit / "edge.ndjson"
    edge.write_bytes(edge.read_bytes().replace(b"export.read", b"export.reat", 1))
    with pytest.raises(IntegrityError, match="1 of 1 log failed: north"):
        run("audit", "verify", "--site", "north")


def test_every_log_is_checked_and_each_bad_one_is_said(workspace, site):
    for home in (site.home, workspace.server):
        edge = home.audit / "edge.ndjson"
        edge.write_bytes(edge.read_bytes().replace(b'"actor":"', b'"actor":"x', 1))
    open_site(workspace, "river").guard.log.append(Event.EXPORT_READ)
    done = CliRunner().invoke(app, ["audit", "verify"])
    assert (done.exception.exit_code, done.exception.message) == (7, "2 of 3 logs failed: north, server")
    north, river, server = (line for line in done.stdout.splitlines() if not line.startswith("warning"))
    for line, name in ((north, "north"), (server, "server")):
        assert line.startswith(f"{name}: FAILED: ") and "entry 0 was altered, or entry 1 was" in line
    assert river.startswith("river: 2 entries verified")


def test_data_whose_log_and_ledger_are_gone_is_no_new_site(workspace, site):
    assert "records of patients" not in run("audit", "verify", "--site", "north")
    shutil.rmtree(site.home.audit)
    site.home.ledger.unlink()
    for _ in "before and after the next command, which begins the log anew":
        said = run("audit", "verify", "--site", "north")
        assert "warning: north: there are records of patients, and the log says nothing of how they came about" in said
        run("audit", "query", "--site", "north")
    shutil.rmtree(site.home.keys)
    assert "warning: north: its folder holds no keys" in run("audit", "verify")


def test_who_waits_for_witnesses_is_told_how_they_sign(workspace, site, tmp_path):
    assert "and the policy wants none. Witnesses sign at the end of a training" in run(
        "audit", "verify", "--witnesses", "--site", "north"
    )
    workspace.policy.write_text(workspace.policy.read_text().replace("needed = 0", "needed = 1"))
    with pytest.raises(IntegrityError, match="1 of 2 logs failed: north") as failed:
        run("audit", "verify", "--witnesses")
    assert failed.value.hint.startswith("Witnesses sign at the end of a training")


@pytest.mark.parametrize("suffix", [".csv", ".ndjson", ".pdf"])
def test_an_export_is_for_its_owner_and_logged_by_its_hash_before_it_is_written(site, tmp_path, events, suffix):
    out = tmp_path / f"log{suffix}"
    run("audit", "export", str(out), "--site", "north", "--outcome", "success")
    data = out.read_bytes()
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    logged = events(Event.AUDIT_EXPORTED)[-1]
    assert (logged["sha256"], logged["form"], logged["filters"]) == (sha256_hex(data), suffix, ["outcome"])
    if suffix == ".csv":
        assert len(list(csv.DictReader(io.StringIO(data.decode())))) == logged["entries"]
    elif suffix == ".ndjson":
        assert {json.loads(line)["resourceType"] for line in data.splitlines()} == {"AuditEvent"}
    else:
        assert data.startswith(b"%PDF-")


def test_what_was_typed_as_a_filter_is_sealed_and_must_be_text(site, tmp_path):
    run("audit", "export", str(tmp_path / "log.csv"), "--site", "north", "--patient", "Zebulon Quist")
    entry = read_entries(site.home.audit, site.keys.public)[-1]
    assert (entry.event, entry.details["filters"]) == (Event.AUDIT_EXPORTED, ["patient"])
    sealed = look(site.home.audit, site.keys.public).sealed(entry)
    assert json.loads(site.keys.unseal(sealed, Event.AUDIT_EXPORTED)) == {"patient": "Zebulon Quist"}
    assert not any(b"Quist" in path.read_bytes() for path in site.home.audit.rglob("*") if path.is_file())
    for option in ("--actor", "--patient"):
        with pytest.raises(InputError, match="no text"):
            run("audit", "export", str(tmp_path / "other.csv"), option, "\udcff")


def test_a_log_can_be_verified_with_a_key_from_elsewhere(site, tmp_path):
    run("keys", "export-public", "north", "--out", str(tmp_path / "north.pem"))
    key_id = Verifier(site.keys.public).id.hex()
    for file in ("north.pem", "north.vkey"):
        assert f", key {key_id}" in run("audit", "verify", "--site", "north", "--key", str(tmp_path / file))
    with pytest.raises(InputError, match="one log"):
        run("audit", "verify", "--key", str(tmp_path / "north.pem"))
    other = tmp_path / "other.pem"
    other.write_bytes(public_key_pem(create_keys(tmp_path / "other", "north").public))
    done = CliRunner().invoke(app, ["audit", "verify", "--site", "north", "--key", str(other)])
    assert done.exception.exit_code == 7 and "north: FAILED: " in done.stdout and "unknown key" in done.stdout


def test_verify_says_how_old_signatures_are_and_how_much_came_after(workspace, site, monkeypatch, tmp_path):
    river = create_keys(tmp_path / "river", "river")
    text = workspace.policy.read_text().replace("hospitals = []", f'hospitals = ["{Verifier(river.public).vkey}"]')
    workspace.policy.write_text(text)
    site = open_site(workspace, "north")
    view = look(site.home.audit, site.keys.public)
    attach(site, view.note, cosignature_line(view.signed.text(), river, 86400))
    said = run("audit", "verify", "--witnesses", "--site", "north")
    assert (
        f"river signed its first {view.size} entries, the oldest signature is of 1970-01-02 00:00 UTC; 1 entry" in said
    )
    out, key = tmp_path / "evidence", tmp_path / "river.vkey"
    run("audit", "export", str(out), "--evidence", "--site", "north", "--until", "2999-01-01", "--event", "export.read")
    key.write_text(Verifier(river.public).vkey)
    own = str(site.home.keys / "public.pem")
    assert "signed by north, river" in run("audit", "check", str(out), "--key", own, "--witness", str(key))
    assert "signed by north\n" in run("audit", "check", str(out), "--key", own)


def test_another_suffix_is_refused(site, tmp_path):
    with pytest.raises(InputError, match=r"no export to '\.xlsx'"):
        run("audit", "export", str(tmp_path / "log.xlsx"))


@pytest.mark.parametrize(
    "words", [("query",), ("export", "log.csv"), ("accounting", "p1"), ("prune", "--before", "2000-01-01")]
)
def test_only_a_compliance_officer_sees_and_changes_the_log(site, let, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    let("clinician", "hospital_it")
    with pytest.raises(AccessDenied):
        run("audit", *words, "--site", "north")
    assert not (tmp_path / "log.csv").exists()


def test_a_review_is_sealed_in_the_log_and_listed_with_its_finding(site, events):
    run("audit", "review", "--site", "north", "--event", "budget.spent", "--sample", "2", "--finding", FINDING)
    (logged,) = events(Event.LOG_REVIEWED)
    assert (logged["found"], len(logged["sample"])) == (3, 2)
    entries = read_entries(site.home.audit, site.keys.public)
    assert {entries[number].event for number in logged["sample"]} == {Event.BUDGET_SPENT}
    for path in site.home.audit.rglob("*"):
        assert path.is_dir() or b"left; nothing" not in path.read_bytes()
    (row,) = json.loads(run("audit", "reviews", "--json", "--site", "north"))
    assert (row["finding"], row["query"], row["reviewer"]) == (FINDING, "event budget.spent", site.guard.actor)


def test_a_finding_is_asked_for_after_the_sample_and_cannot_be_empty(site):
    assert "What did you find?" in run("audit", "review", "--site", "north", text="nothing\n")
    with pytest.raises(InputError, match="a finding has 1 to"):
        run("audit", "review", "--site", "north", "--finding", " ")


def test_a_review_needs_one_log(site):
    with pytest.raises(InputError, match="there are several logs"):
        run("audit", "review", "--finding", "x")


def test_reviews_can_be_read_after_both_keys_were_changed(site):
    run("audit", "review", "--site", "north", "--finding", FINDING)
    run("keys", "rotate", "north", "--signing")
    run("keys", "rotate", "north", "--wrapping")
    assert FINDING in run("audit", "reviews", "--site", "north")


def test_an_accounting_lists_model_updates_with_epsilon_and_is_logged(site, events):
    site.guard.record(Event.UPDATE_RELEASED, plan=events(Event.BUDGET_SPENT)[-1]["plan"], round=3, sha256="0")
    told = json.loads(run("audit", "accounting", "p1", "--json", "--site", "north"))
    (row,) = told["rows"]
    assert (row["purpose"], row["times"]) == ("HRESCH", 1)
    assert 0 < float(row["epsilon"]) < float(events(Event.BUDGET_SPENT)[-1]["epsilon"])  # of one round, not of three
    assert (told["epsilon"], told["known"]) == (row["epsilon"], False)
    assert events(Event.AUDIT_EXPORTED)[-1]["filters"] == ["patient"]


def test_a_disclosure_made_elsewhere_is_recorded_and_accounted_for(site, events):
    patient = Vault(site.home.vault, site.keys.wrapping).patients()[0]
    told = ("--to", "State registry", "--what", "report of a case", "--purpose", "HLEGAL", "--site", "north")
    with pytest.raises(InputError, match="no such patient"):
        run("audit", "disclosed", "nobody", *told)
    for wrong in (("--on", "2999-01-01"), ("--on", "yesterday"), ("--purpose", "CURIOSITY")):
        with pytest.raises(InputError):
            run("audit", "disclosed", patient, *told, *wrong)
    assert not events(Event.DISCLOSURE_MADE)
    run("audit", "disclosed", patient, *told, "--on", "2026-01-31")
    rows = json.loads(run("audit", "accounting", patient, "--json", "--site", "north"))["rows"]
    (row,) = [row for row in rows if row["recipient"] == "State registry"]
    assert (row["first"], row["what"], row["purpose"]) == ("2026-01-31", "report of a case", "HLEGAL")


def test_a_pseudonym_that_the_log_does_not_know_is_said_to_be_that(site):
    assert "no record of 'p7' is in the log of north" in run("audit", "accounting", "p7", "--site", "north")
    site.guard.record(Event.NOTE_VIEWED, patient="p7", record="d1", purpose="TREAT")
    assert run("audit", "accounting", "p7", "--site", "north") == (
        "nothing that concerns this patient was disclosed in six years\n"
    )


def test_a_question_shows_details_whole_and_says_how_many_entries_it_leaves_out(site):
    reason = " ".join(["fewer patients than the policy asks for, so nothing is trained"] * 4)
    site.guard.record(Event.PLAN_REFUSED, plan="a" * 64, reason=reason)
    said = run("audit", "query", "--site", "north", "--event", "plan.refused")
    cells = " ".join(line.rsplit("│", 2)[1].strip() for line in said.splitlines() if "│" in line)
    assert f"plan {'a' * 16}, reason {reason}" in cells and said.startswith("1 entry ")
    assert run("audit", "query", "--site", "north", "--event", "budget.spent", "--limit", "2").startswith(
        "the newest 2 of 3 entries"
    )


def test_a_review_of_nothing_is_not_signed(site, events):
    with pytest.raises(InputError, match="there is nothing to review: no entry fits this filter"):
        run("audit", "review", "--site", "north", "--actor", "nobody", "--finding", FINDING)
    assert events(Event.LOG_REVIEWED) == []


def test_nothing_that_the_policy_keeps_is_pruned(site):
    with pytest.raises(InputError, match="the policy keeps entries for 6 years"):
        run("audit", "prune", "--site", "north", "--before", "2999-01-01")
    assert "0 entries deleted" in run("audit", "prune", "--site", "north", "--before", "2001-01-01")


def test_evidence_is_of_one_log_and_is_checked_with_a_key_from_elsewhere(site, tmp_path, events):
    key, out = tmp_path / "north.pem", tmp_path / "evidence"
    key.write_bytes(public_key_pem(site.keys.public))
    with pytest.raises(InputError, match="several logs"):
        run("audit", "export", str(out), "--evidence")
    with pytest.raises(InputError, match="no entry to prove"):
        run("audit", "export", str(out), "--evidence", "--site", "north", "--actor", "nobody")
    assert events(Event.AUDIT_EXPORTED) == []
    assert "entries with their proofs" in run("audit", "export", str(out), "--evidence", "--site", "north")
    assert events(Event.AUDIT_EXPORTED)[-1]["form"] == "evidence"
    assert "stand in the log of north; signed by north" in run("audit", "check", str(out), "--key", str(key))
    entry = out / "entries/0.json"
    entry.write_bytes(entry.read_bytes().replace(b'"actor":"', b'"actor":"x'))
    with pytest.raises(IntegrityError, match="entries"):
        run("audit", "check", str(out), "--key", str(key))


def test_a_day_that_is_none_prunes_nothing(site):
    for day in ("", "yesterday"):
        with pytest.raises(InputError, match="is no day"):
            run("audit", "prune", "--before", day, "--site", "north")
