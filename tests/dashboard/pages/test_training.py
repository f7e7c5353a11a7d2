"""The training page."""

from __future__ import annotations

from dashboard.view.training import budget
from policies.events import Event
from policies.policy import Role
from tests.dashboard.conftest import the_plan
from tests.dashboard.running import html


def test_training_shows_rounds_loss_and_epsilon(workspace, site, events, at):
    app = at(Role.HOSPITAL_IT, "training")
    assert not app.error
    numbers = {metric.label: metric.value for metric in app.metric}
    assert numbers["Rounds done"] == "3 of 4" and numbers["Study"] == "small\\_study"
    assert numbers["Epsilon spent"] == budget(site).spent and numbers["Epsilon left"] == budget(site).left
    assert len(app.get("plotly_chart")) == 4 and "stays at this hospital" in " ".join(c.value for c in app.caption)
    assert "verified, by &#x27;server&#x27;" in html(app)
    app.run()
    assert [entry["plan"] for entry in events(Event.PAGE_VIEWED)] == [the_plan().digest]


def test_a_round_that_failed_is_said(workspace, site, at):
    site.guard.record(Event.ROUND_FAILED, plan=the_plan().digest, round=4, reason="no *room*")
    assert "no \\*room\\*" in at(Role.HOSPITAL_IT, "training").warning[0].value


def test_a_hospital_without_a_training_is_told_how_to_begin(workspace, at):
    from policies.guard import open_site

    open_site(workspace, "river")
    app = at(Role.HOSPITAL_IT, "training", site="river")
    assert app.code[0].value == "confide train" and not app.metric
