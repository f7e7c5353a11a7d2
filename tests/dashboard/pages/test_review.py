"""The review page, as a reviewer meets it."""

from __future__ import annotations

import pytest

from clinical.review import draw, marks_of, next_note, open_review, progress, read_certificate, sign, submit
from dashboard.view.review import open_reviews
from policies.events import Event
from policies.guard import open_site
from policies.policy import Role
from tests.clinical.outputs import write_output
from tests.dashboard.conftest import HOSTILE

TEXTS = ["Seen by Quist at noon.", f"{HOSTILE} Nobody.", "Quist again, Quist."]


@pytest.fixture
def review(workspace, site, tmp_path):
    return draw(site, write_output(tmp_path / "out", site.keys, TEXTS), 10)


@pytest.fixture
def page(workspace, at):
    return lambda: at(Role.COMPLIANCE_OFFICER, "review")


def test_notes_come_one_after_another_until_all_are_judged(review, site, page, events):
    app = page()
    for number in range(1, 4):
        assert not app.error and f"{number} of 3" in app.get("progress")[0].proto.text
        text = app.code[0].value
        assert text in TEXTS
        if "Quist" in text:
            app.text_input(key="words").set_value("Quist")
            app.selectbox(key="category").set_value("NAME")
            app.button(key="mark").click().run()
            assert app.dataframe[0].value.to_numpy().tolist() == [["Quist", "NAME"]] * text.count("Quist")
            assert app.button(key="done").label == "Keep these marks"
        else:
            assert app.button(key="done").label == "Nothing left"
        app.button(key="done").click().run()
    assert "all 3 notes" in app.success[0].value and not app.code
    assert len(events(Event.NOTE_REVIEWED)) == 3
    assert [one["review"] for one in events(Event.PAGE_VIEWED) if one["page"] == "review"] == [review.id]
    assert [(p.done, p.of) for p in progress(site, review)] == [(3, 3)]


def test_words_that_are_not_there_are_a_sentence_and_marks_can_be_forgotten(review, page):
    app = page()
    app.text_input(key="words").set_value("Nobody at all")
    app.button(key="mark").click().run()
    assert "do not stand in the note" in app.error[0].value and not app.dataframe
    app.text_input(key="words").set_value(app.code[0].value[:7])
    app.button(key="mark").click().run()
    assert len(app.dataframe) == 1
    app.button(key="forget").click().run()
    assert not app.dataframe and app.button(key="done").label == "Nothing left"


def test_without_a_review_the_page_names_the_command(page):
    assert page().code[0].value == "confide certify draw"


def test_hospital_it_is_denied(review, at, events):
    app = at(Role.HOSPITAL_IT, "review")
    assert "no policy lets" in app.error[0].value and not app.code
    assert [one["action"] for one in events(Event.ACCESS_DENIED)] == ["review"]


def test_a_signed_review_is_open_no_more(workspace, review, site):
    assert list(open_reviews(site)) == [review.id]
    for name in ("anna", "bob"):
        other = open_site(workspace, "north", name, Role.CLINICIAN)
        while note := next_note(other, open_review(other, review.id)):
            submit(other, review, note.record, marks_of(note.text, "Quist", "NAME") if "Quist" in note.text else [])
    assert read_certificate(sign(site, review), site.keys.public)["all_categories"]["leaks"] == 3
    assert not open_reviews(site)
