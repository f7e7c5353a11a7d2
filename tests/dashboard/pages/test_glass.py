"""The page of broken glass: what an officer sees of each, and the review."""

from __future__ import annotations

import pytest

from policies.events import Event
from policies.guard import open_site
from policies.policy import Role
from privacy.vault.break_glass import start
from tests.dashboard.conftest import HOSTILE
from tests.dashboard.running import everything


@pytest.fixture
def broken(workspace, canary_note):
    """Breaks the glass as an account; gives the grant."""

    def by(actor):
        return start(open_site(workspace, "north", actor, Role.CLINICIAN), canary_note[0], HOSTILE, 5)

    return by


def test_without_any_it_says_so(workspace, at):
    assert "Nobody broke the glass" in at(Role.COMPLIANCE_OFFICER, "glass").info[0].value


def test_an_officer_reads_why_and_what_was_opened_and_signs_a_review(broken, workspace, at, canary_note, events):
    grant = broken("anna")
    site = open_site(workspace, "north", "anna", Role.CLINICIAN)
    site.guard.record(Event.NOTE_VIEWED, patient=canary_note[0], record=canary_note[1], purpose="TREAT")
    app = at(Role.COMPLIANCE_OFFICER, "glass")
    assert "1 breaking of the glass without a review" in app.warning[0].value
    assert len(app.dataframe) == 1 and "zz(1)" not in everything(app)  # sealed until somebody asks for it
    assert not [one for one in events(Event.PAGE_VIEWED) if "patient" in one]
    app.selectbox(key="grant").set_value(grant.id).run().run()
    looked = [(one["grant"], one["patient"]) for one in events(Event.PAGE_VIEWED) if "patient" in one]
    assert looked == [(grant.id, canary_note[0])]
    assert any(r"\<script" in line.value for line in app.markdown)
    assert not any("<script" in line.value.replace(r"\<", "") for line in app.markdown)
    assert app.dataframe[1].value["Event"].tolist() == ["note.viewed", "break_glass.started"]
    app.button(key="sign").click().run()
    assert "0 characters" in app.error[0].value and events(Event.BREAK_GLASS_REVIEWED) == []
    app.text_area(key=f"finding {grant.id}").set_value("justified")
    app.button(key="sign").click().run()
    assert not [error.value for error in app.error] and not app.warning
    assert "was reviewed" in app.success[0].value
    assert [one["grant"] for one in events(Event.BREAK_GLASS_REVIEWED)] == [grant.id]
    assert any("justified" in line.value for line in app.markdown)


def test_nobody_reviews_an_own_one(broken, at, site):
    broken(site.guard.actor)
    app = at(Role.COMPLIANCE_OFFICER, "glass")
    app.selectbox(key="grant").select_index(0).run()
    assert "another person" in app.info[0].value and not app.text_area and not app.button(key="leave").disabled
    assert "sign" not in {button.key for button in app.button}


def test_what_awaits_a_review_stands_first(broken, workspace, at):
    from privacy.vault.break_glass import review

    first, second = broken("anna"), broken("bob")
    review(open_site(workspace, "north", "olga", Role.COMPLIANCE_OFFICER), second.id, "fine")
    rows = at(Role.COMPLIANCE_OFFICER, "glass").dataframe[0].value
    assert rows["Grant"].tolist() == [first.id, second.id]
    assert rows["State"].tolist() == ["open now, not reviewed", "reviewed by olga"]


def test_the_one_who_may_break_it_does_not_see_the_page(workspace, at):
    app = at(Role.CLINICIAN, "glass")
    assert "no policy lets" in app.error[0].value and not [*app.dataframe, *app.text_area]
