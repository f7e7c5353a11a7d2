"""'confide audit': questions, exports, reviews and pruning, each permitted, logged, and of a log that verifies."""

from __future__ import annotations

import csv
import io
import json
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
    with pytest.raises(IntegrityError, match="entry"):
        run("audit", "verify")


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
    with pytest.raises(IntegrityError, match="unknown key"):
        run("audit", "verify", "--site", "north", "--key", str(other))


def test_verify_says_how_old_signatures_are_and_how_much_came_after(workspace, site, monkeypatch, tmp_path):
    river = create_keys(tmp_path / "river", "river")
    text = workspace.policy.read_text().replace("hospitals = []", f'hospitals = ["{Verifier(river.public).vkey}"]')
    workspace.policy.write_text(text)
    site = open_site(workspace, "north")
    view = look(site.home.audit, site.keys.public)
    attach(site, view.note, cosignature_line(view.signed.text(), river, 86400))
    said = run("audit", "verify", "--witnesses", "--site", "north")
    assert (
        f"river signed its first {view.size} entries, the oldest signature is of 1970-01-02 00:00 UTC; 1 entries"
        in said
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
    (row,) = json.loads(run("audit", "accounting", "p1", "--json", "--site", "north"))
    assert (row["purpose"], row["times"]) == ("HRESCH", 1)
    assert row["epsilon"] == events(Event.BUDGET_SPENT)[-1]["epsilon"]
    assert events(Event.AUDIT_EXPORTED)[-1]["filters"] == ["patient"]


def test_nothing_that_the_policy_keeps_is_pruned(site):
    with pytest.raises(InputError, match="the policy keeps entries for 6 years"):
        run("audit", "prune", "--site", "north", "--before", "2999-01-01")
    assert "0 entries deleted" in run("audit", "prune", "--site", "north", "--before", "2001-01-01")


def test_evidence_is_of_one_log_and_is_checked_with_a_key_from_elsewhere(site, tmp_path, events):
    key, out = tmp_path / "north.pem", tmp_path / "evidence"
    key.write_bytes(public_key_pem(site.keys.public))
    with pytest.raises(InputError, match="several logs"):
        run("audit", "export", str(out), "--evidence")
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
