import pytest

from clinical.deid.journal import JOURNAL, Journal


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path, "job")
    journal.begin()
    journal.add(3, {"Patient.ndjson": 10}, 0, {"notes": 1, "records": {"Patient": 2}}, ["p1"])
    journal.add(2, {"Patient.ndjson": 25, "x.ndjson": 4}, 7, {"notes": 0, "records": {}}, ["p2"])
    return journal


def test_progress_is_the_sum_of_the_batches(journal):
    done = journal.read()
    assert (done.items, done.sizes, done.problems) == (5, {"Patient.ndjson": 25, "x.ndjson": 4}, 7)
    assert done.patients == {"p1", "p2"}
    assert [counts["notes"] for counts in done.counts] == [1, 0]


def test_a_torn_last_line_counts_for_nothing(journal, tmp_path):
    path = tmp_path / JOURNAL
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    assert journal.read().items == 3
    journal.add(4, {}, 0, {}, [])
    assert journal.read().items == 7


def test_a_journal_of_another_job_is_not_gone_on_with(journal, tmp_path):
    assert Journal(tmp_path, "other").read() is None


def test_without_a_journal_nothing_was_done(tmp_path):
    assert Journal(tmp_path, "job").read() is None
    (tmp_path / JOURNAL).write_bytes(b'{"job"')
    assert Journal(tmp_path, "job").read() is None


def test_a_finished_job_leaves_none(journal, tmp_path):
    journal.end()
    assert not (tmp_path / JOURNAL).exists()
