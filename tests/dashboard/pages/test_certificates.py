"""The page of certificates: how far people are, and what was signed."""

from __future__ import annotations

import hashlib

import pytest

from clinical.review import draw, is_signed, next_note, sign, submit
from dashboard.view import certificates as view
from policies.errors import AccessDenied, IntegrityError
from policies.events import Event
from policies.guard import open_site
from policies.policy import Role
from tests.clinical.outputs import write_output
from tests.dashboard.running import everything

LEFT = "Zebulon Quist"


@pytest.fixture
def review(workspace, site, tmp_path):
    return draw(site, write_output(tmp_path / "out", site.keys, [f"{LEFT} came.", "Nobody."]), 10)


def judged(workspace, review, actor, marks=()):
    site = open_site(workspace, "north", actor, Role.COMPLIANCE_OFFICER)
    while note := next_note(site, review):
        submit(site, review, note.record, marks if LEFT in note.text else [])


def test_without_a_review_the_page_names_the_command(workspace, at):
    assert at(Role.COMPLIANCE_OFFICER, "certificates").code[0].value == "confide certify draw"


def test_it_tells_how_far_people_are_and_not_what_they_marked(workspace, review, at):
    judged(workspace, review, "anna", [(0, len(LEFT), "NAME")])
    app = at(Role.COMPLIANCE_OFFICER, "certificates")
    (row,) = app.dataframe[0].value.to_dict("records")
    assert row["State"] == "being read" and row["Read by"] == "anna 2 of 2"
    assert "Two accounts" in app.info[0].value and LEFT not in everything(app) and "NAME" not in everything(app)
    assert "sign" not in {button.key for button in app.button}


def test_once_two_are_done_it_is_signed_shown_and_downloaded(workspace, site, review, at):
    judged(workspace, review, "anna", [(0, len(LEFT), "NAME")])
    judged(workspace, review, "<b>bob</b>")
    app = at(Role.COMPLIANCE_OFFICER, "certificates")
    assert app.dataframe[0].value["State"].tolist() == ["ready to sign"] and not is_signed(site, review)
    app.button(key="sign").click().run()
    assert not app.error and is_signed(site, review) and "the signature verifies" in app.success[0].value
    bounds = app.dataframe[1].value.set_index("Identifier")
    assert bounds.loc["NAME", "Left"] == 1 and bounds.loc["all", "Left"] == 1
    assert bounds.loc["NAME", "In notes"] == 1 and float(bounds.loc["NAME", "Notes per 1,000 at most"]) > 1
    assert app.download_button and not any("<b>" in line.value.replace(r"\<", "") for line in app.markdown)


def test_a_certificate_that_leaves_is_logged_first_by_its_hash(workspace, site, review, events):
    for actor in ("anna", "bob"):
        judged(workspace, review, actor)
    sign(site, review)
    data = view.handed_out(site, review)
    (told,) = [one for one in events(Event.PAGE_VIEWED) if one["page"] == "certificates"]
    assert (told["review"], told["form"], told["sha256"]) == (review.id, "file", hashlib.sha256(data).hexdigest())
    with pytest.raises(AccessDenied):
        view.handed_out(open_site(workspace, "north", "ivan", Role.HOSPITAL_IT), review)
    path = site.home.certificate(review.id)
    path.write_bytes(data.replace(b'"leaks":0', b'"leaks":1', 1))
    with pytest.raises(IntegrityError):
        view.handed_out(site, review)
    assert len([one for one in events(Event.PAGE_VIEWED) if one["page"] == "certificates"]) == 1


def test_an_edited_certificate_is_said_in_red(workspace, site, review, at):
    for actor in ("anna", "bob"):
        judged(workspace, review, actor)
    app = at(Role.COMPLIANCE_OFFICER, "certificates")
    app.button(key="sign").click().run()
    path = site.home.certificate(review.id)
    path.write_bytes(path.read_bytes().replace(b'"leaks":0', b'"leaks":1', 1))
    app.run()
    assert app.error and not app.download_button and not app.dataframe


def test_a_reviewer_who_is_no_officer_has_no_such_page(workspace, at):
    app = at(Role.CLINICIAN, "certificates")
    assert "no policy lets" in app.error[0].value and not [*app.dataframe, *app.download_button]
