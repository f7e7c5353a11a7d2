"""The numbers of the audit page, and what it hands out."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import sqlite3
import zipfile
from datetime import datetime, timedelta

import pytest

from dashboard.drawing.figures import activity_plot
from dashboard.view import audit as view
from policies import auditindex
from policies.auditindex import Search
from policies.errors import AccessDenied
from policies.events import Event
from policies.evidence import verify_evidence
from policies.guard import open_site
from policies.policy import Role
from tests.dashboard.conftest import HOSTILE


@pytest.fixture
def log(site):
    return view.Log(site)


def test_a_log_is_verified_searched_and_drawn(log):
    state = view.log_state(log)
    assert state.view and state.check and state.check.failure == "" and f"{state.view.size} entries" in state.sentence
    every = view.found(log, Search())
    assert len(every.hits) == state.view.size and every.total == f"{state.view.size} entries"
    assert [row["Number"] for row in view.rows(state.view, every.hits)] == [hit.sequence for hit in every.hits][:100]
    spent = view.found(log, Search(event="budget.spent", text="round 2"))
    assert view.rows(state.view, spent.hits)[0]["What"] == "Privacy budget was spent" and len(spent.hits) == 1
    figure = activity_plot(every.activity).figure
    assert sum(sum(trace.y) for trace in figure.data) == state.view.size


def test_pages_of_a_long_result_hold_each_entry_once(log, monkeypatch):
    monkeypatch.setattr(view, "ON_A_PAGE", 7)
    state, found = view.log_state(log), view.found(log, Search())
    rows = [row["Number"] for page in range(1, found.pages + 1) for row in view.rows(state.view, found.hits, page)]
    assert rows == list(range(state.view.size - 1, -1, -1)) and found.pages == -(-state.view.size // 7)


def test_a_result_that_is_cut_off_says_how_many_there_are(log, monkeypatch):
    size = view.log_state(log).view.size
    monkeypatch.setattr(view, "_MOST_HITS", 5)
    every = view.found(log, Search())
    assert len(every.hits) == 5 and every.total == f"{size} entries"
    assert sum(times for _, _, times in every.activity) == size
    assert view.found(log, Search(text="e")).total == "more than 5 entries"


def test_a_figure_by_hour_holds_the_same_numbers():
    figure = activity_plot([("2026-03-01T10", "a", 3), ("2026-03-02T10", "b", 4), ("2026-03-02T11", "a", 5)])
    assert [list(trace.x) for trace in figure.figure.data] == [["2026-03-01 10:00", "2026-03-02 11:00"],
                                                               ["2026-03-02 10:00"]]  # fmt: skip
    assert figure.caption == "12 entries by hour, from 2026-03-01 10:00 to 2026-03-02 11:00 UTC."


def test_a_log_that_was_altered_is_not_read(log, site):
    path = site.home.audit / "edge.ndjson"
    path.write_bytes(path.read_bytes().replace(b'"round":2', b'"round":7'))
    state = view.log_state(log)
    assert state.view is None and "altered" in state.sentence


def test_a_reading_of_every_entry_is_made_anew_once_it_is_old(log, monkeypatch):
    first = view.log_state(log).check
    assert view.log_state(log).check == first
    later = (datetime.fromisoformat(first.time) + timedelta(minutes=2)).isoformat()
    monkeypatch.setattr(auditindex, "_now", lambda: later)
    monkeypatch.setattr(view, "_FRESH", timedelta(0))
    assert view.log_state(log).check.time == later


def test_what_an_index_hid_is_found_in_the_load_that_noticed_it(log, site, monkeypatch):
    view.log_state(log)
    with sqlite3.connect(site.home.audit_index) as tables:
        tables.execute("DELETE FROM entries WHERE event = 'budget.spent'")
    monkeypatch.setattr(view, "_FRESH", timedelta(0))
    state = view.log_state(log)
    assert state.left == 0 and "was not what the log says" in state.warnings[0]
    assert len(view.found(log, Search(event="budget.spent")).hits) == 3


def test_a_long_log_is_read_in_the_background(log, monkeypatch):
    monkeypatch.setattr(view, "_SMALL", 3)
    monkeypatch.setattr(view, "_AT_ONCE", 1)
    monkeypatch.setattr(view, "_PAUSE", 0)
    monkeypatch.setattr(auditindex.AuditIndex.follow, "__defaults__", (4,))
    state = view.log_state(log)
    assert state.view and state.left == state.view.size - 4 and state.check is None
    view._at_work[log.holder.home.audit].join()
    state = view.log_state(log)
    assert state.left == 0 and state.check.size == state.view.size and not view.is_at_work(log)


def test_the_servers_log_is_opened_in_the_visitors_name(workspace, site):
    from dashboard.view.visit import Visit
    from policies.access import Purpose
    from policies.sessions import Choice

    visit = Visit(workspace, "olga", Choice(Role.COMPLIANCE_OFFICER, Purpose.OPERATIONS, "north"), "a token")
    assert view.logs_of(visit) == ("north", "server")
    guard = view.open_log(visit, "server").holder.guard
    assert (guard.actor, guard.roles) == ("olga", {Role.COMPLIANCE_OFFICER})


@pytest.mark.parametrize("form", [".csv", ".ndjson", ".syslog", ".pdf"])
def test_an_export_is_whole_and_logged_by_its_hash(log, site, events, form):
    site.guard.record(Event.PAGE_VIEWED, page=f"={HOSTILE}")
    asked = Search(event=Event.BUDGET_SPENT) if form == ".csv" else Search()
    wanted = view.found(log, asked) if view.log_state(log).view else None
    data = view.export(log, asked, form)
    assert events(Event.AUDIT_EXPORTED)[-1]["sha256"] == hashlib.sha256(data).hexdigest()
    if form == ".csv":
        rows = list(csv.DictReader(io.StringIO(data.decode())))
        assert [int(row["sequence"]) for row in rows] == sorted(hit.sequence for hit in wanted.hits) and len(rows) == 3
    elif form == ".ndjson":
        codes = [json.loads(line)["subtype"][-1]["code"] for line in data.splitlines()]
        assert codes[:-1] == [hit.event for hit in wanted.hits[::-1]]  # the last is the decision that let it out
    elif form == ".syslog":
        assert data.count(b"confide@") == len(wanted.hits) + 1 and data.startswith(b"<1")
    else:
        assert data.startswith(b"%PDF")


def test_an_evidence_folder_proves_what_was_found(log, site, tmp_path):
    data = view.export(log, Search(event=Event.BUDGET_SPENT), ".zip")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(tmp_path)
    assert verify_evidence(tmp_path / "evidence", site.keys.public).entries == 3


def test_only_who_may_export_exports(workspace, events):
    site = open_site(workspace, "north", "ivan", Role.HOSPITAL_IT)
    with pytest.raises(AccessDenied):
        view.export(view.Log(site), Search(), ".csv")
    assert events(Event.AUDIT_EXPORTED) == [] and len(events(Event.ACCESS_DENIED)) == 1


def test_an_entry_is_told_whole(log, site):
    site.guard.record(Event.PAGE_VIEWED, page=HOSTILE, count=7)
    state = view.log_state(log)
    told = dict(view.whole(state.view, state.view.size - 1))
    assert told["page"] == HOSTILE and told["count"] == "7" and len(told["policy"]) == 64
