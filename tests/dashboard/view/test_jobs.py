"""De-identifications as the log says them."""

from __future__ import annotations

from dashboard.view import jobs as view
from policies.events import Event
from policies.files import write_whole


def test_a_job_is_counted_from_its_log(site):
    (job,) = view.jobs(site)
    row = job.row()
    assert (row["State"], row["Patients"], row["Notes"], row["Files"]) == ("done", 2, 3, 1)
    assert job.records == 5 and job.identifiers > 0 and job.seconds > 0
    assert job.rate == job.records / job.seconds and view.left_out([job]) == []
    assert view.rates([job]) == [(row["Began"], job.rate)]


def test_a_job_without_an_end_is_no_job_that_is_done(site):
    site.guard.record(Event.EXPORT_READ, files=7, sha256="")
    newest = view.jobs(site)[0]
    assert newest.row()["State"] == "goes on, or was killed" and newest.rate is None and newest.row()["Seconds"] == "–"
    site.guard.record(Event.PROCESS_STOPPED, service="deid")
    assert view.jobs(site)[0].standing == "stopped" and len(view.jobs(site)) == 2


def test_what_was_left_out_is_counted_by_kind_and_its_files_are_named_only(site):
    site.guard.record(Event.EXPORT_READ, files=1, sha256="")
    counts = {
        "patients": 1,
        "notes": 1,
        "records": {"Patient": 1},
        "findings": {},
        "problems": {"not JSON": 2, "quarantined": 5},
    }
    site.guard.record(Event.RECORDS_DEIDENTIFIED, manifest="", **counts)
    kinds = view.left_out(view.jobs(site))
    assert kinds == [{"What was wrong": "quarantined", "Records": 5}, {"What was wrong": "not JSON", "Records": 2}]
    path = site.home.problems("deid-0123")
    write_whole(path, b'{"file":"Zebulon.txt","line":1,"kind":"not JSON","message":"m"}\n' * 3)
    (row,) = view.problem_files(site)
    assert row["Problems"] == 3 and row["File"] == str(path) and "Zebulon" not in str(row)
