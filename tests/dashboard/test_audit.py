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
from policies.keys import public_key_pem

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
    assert (logged["sha256"], logged["form"], logged["filters"]) == (sha256_hex(data), suffix, {"outcome": "success"})
    if suffix == ".csv":
        assert len(list(csv.DictReader(io.StringIO(data.decode())))) == logged["entries"]
    elif suffix == ".ndjson":
        assert {json.loads(line)["resourceType"] for line in data.splitlines()} == {"AuditEvent"}
    else:
        assert data.startswith(b"%PDF-")


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
    assert events(Event.AUDIT_EXPORTED)[-1]["filters"] == {"patient": "p1"}


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
