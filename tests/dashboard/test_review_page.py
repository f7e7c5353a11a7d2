"""The review page, as a reviewer meets it."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from clinical.review import draw, marks_of, next_note, open_review, progress, read_certificate, sign, submit
from dashboard import view
from policies.audit import read_entries
from policies.events import Event
from policies.guard import account_name, open_site
from policies.workspace import WORKSPACE_VARIABLE
from tests.clinical.outputs import write_output

PAGE = Path(__file__).parents[2] / "dashboard" / "pages" / "review.py"
TEXTS = ["[NAME] came with Zebulon **x**.", "Nothing of anybody.", "Quist again, Quist."]


@pytest.fixture
def workspace(monkeypatch, with_reviewers):
    """One hospital whose officer is this account, and two clinicians."""
    made = with_reviewers(account_name())
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(made.root))
    return made


@pytest.fixture
def site(workspace):
    return open_site(workspace, "north")


@pytest.fixture
def review(site, tmp_path):
    return draw(site, write_output(tmp_path / "out", site.keys, TEXTS), 10)


def at_review():
    return AppTest.from_file(str(PAGE), default_timeout=120).run()


def count(site, event):
    return sum(entry.event == event for entry in read_entries(site.home.audit, site.keys.public))


def test_notes_come_one_after_another_until_all_are_judged(review, site):
    app = at_review()
    for number in range(1, 4):
        assert not app.error and f"{number} of 3" in app.get("progress")[0].proto.text
        text = app.code[0].value
        assert text in TEXTS
        if "Quist" in text:
            app.text_input(key="words").set_value("Quist")
            app.selectbox(key="category").set_value("NAME")
            app.button(key="mark").click().run()
            assert app.dataframe[0].value.to_numpy().tolist() == [["Quist", "NAME"]] * 2
            assert app.button(key="done").label == "Keep these marks"
        else:
            assert app.button(key="done").label == "Nothing left"
        app.button(key="done").click().run()
    assert "all 3 notes" in app.success[0].value and not app.code
    assert count(site, Event.NOTE_REVIEWED) == 3
    assert [(p.done, p.of) for p in progress(site, review)] == [(3, 3)]


def test_words_that_are_not_there_are_a_sentence_and_marks_can_be_forgotten(review):
    app = at_review()
    app.text_input(key="words").set_value("Nobody at all")
    app.button(key="mark").click().run()
    assert "do not stand in the note" in app.error[0].value and not app.dataframe
    app.text_input(key="words").set_value(app.code[0].value[:7])
    app.button(key="mark").click().run()
    assert len(app.dataframe) == 1
    app.button(key="forget").click().run()
    assert not app.dataframe and app.button(key="done").label == "Nothing left"


def test_without_a_review_the_page_names_the_command(site):
    assert at_review().code[0].value == "confide certify draw"


def test_hospital_it_is_denied(workspace, site, review):
    text = workspace.policy.read_text()
    workspace.policy.write_text(
        text.replace('"clinician", "hospital_it", "compliance_officer", "data_steward", "researcher"', '"hospital_it"')
    )
    app = at_review()
    assert "no policy lets" in app.error[0].value and not app.code and count(site, Event.ACCESS_DENIED) == 1


def test_a_signed_review_is_open_no_more(workspace, review, site):
    assert list(view.open_reviews(site)) == [review.id]
    for name in ("anna", "bob"):
        other = open_site(workspace, "north", name)
        while note := next_note(other, open_review(other, review.id)):
            submit(other, review, note.record, marks_of(note.text, "Quist", "NAME") if "Quist" in note.text else [])
    assert read_certificate(sign(site, review), site.keys.public)["all_categories"]["leaks"] == 2
    assert not view.open_reviews(site)
