"""The numbers of the training page."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from dashboard.drawing.cards import card_html
from dashboard.view import training as view
from policies.errors import IntegrityError
from policies.events import Event
from policies.files import write_whole
from policies.guard import open_site
from policies.logview import look
from policies.releases import GaussianRelease, PoissonSampled, epsilon_text
from privacy.training.accounting import epsilon
from tests.dashboard.conftest import the_plan


@pytest.fixture
def run(workspace, site):
    return lambda: view.training(workspace, site, view.spending(site).plan)


def test_the_newest_run_of_a_site(workspace, run):
    found = run()
    assert found and (found.done, found.size, found.digest) == ("3 of 4", "9 KB", the_plan().digest)
    assert found.losses == ((1, 1.25), (2, 1.0), (3, 0.75)) and found.rounds[0] == view.RoundView(
        1, 4.0, 9000, ("north",)
    )
    assert "2.00 times that norm" in " ".join(found.words) and not found.refusal
    other = open_site(workspace, "river")
    assert view.training(workspace, other, view.spending(other).plan) is None


def test_the_budget_is_as_it_was_logged_and_the_same_computed_anew(site):
    spent, release = view.budget(site), PoissonSampled("0.5", GaussianRelease("2.00"))
    assert list(spent.logged) == [epsilon_text(epsilon([[release] * count], 1e-5)) for count in (1, 2, 3)]
    assert spent.spent == f"{spent.logged[-1]} of 8" and float(spent.left) == pytest.approx(8 - float(spent.logged[-1]))
    assert view.Spending(8.0, (), "").spent == "0.000 of 8"
    assert (view.spending(site).spent, len(spent.bookings)) == (spent.spent, 3)


def test_what_pruning_carried_forward_is_spent_still(site):
    old = view.logged(site, Event.BUDGET_SPENT)[-1]
    entry = json.loads(look(site.home.audit, site.keys.public).line(old.sequence))
    site.guard.log.append(Event.RELEASE_CARRIED, entry=entry)
    assert view.spending(site).logged == view.budget(site).logged and len(view.spending(site).logged) == 3


def test_a_run_goes_on_as_long_as_the_server_waits(run):
    found = run()
    soon, late = (found.news + timedelta(seconds=seconds) for seconds in (599, 601))
    assert found.goes_on(soon) and "round 3/4: north; 2.0 s, about 2 s left" in found.standing(soon)
    assert not found.goes_on(late) and "nothing was heard since" in found.standing(late)


def test_away_from_the_server_a_site_counts_its_receipts(workspace, site, run):
    digest = the_plan().digest
    workspace.server.rounds(digest).unlink()
    assert run().done == "0 of 4"
    write_whole(site.home.update(digest, 1), bytes(5000))
    for number, sites in ((1, ("north", "river")), (2, ("river",))):
        inputs = dict.fromkeys(sites, "0" * 64)
        site.guard.record(Event.RECEIPT_CHECKED, plan=digest, round=number, inputs=inputs, model="", counted=True)
    site.guard.record(Event.RECEIPT_CHECKED, plan="f" * 64, round=3, inputs={}, model="", counted=True)
    found = run()
    assert found.done == "2 of 4" and [one.sites for one in found.rounds] == [("north", "river"), ("river",)]
    assert [one.size for one in found.rounds] == [5000, 0] and all(one.seconds > 0 for one in found.rounds)


def test_a_refusal_is_said_until_something_newer_is_known(site, run):
    site.guard.record(Event.ROUND_FAILED, plan=the_plan().digest, round=4, reason="no room")
    assert run().refusal.endswith("UTC: no room")
    site.guard.record(Event.RECEIPT_CHECKED, plan=the_plan().digest, round=4, inputs={}, model="", counted=True)
    assert not run().refusal


def test_a_plan_that_was_changed_after_its_booking_is_not_shown(site, run):
    path = site.home.plan(the_plan().digest)
    path.write_text(path.read_text().replace('"sigma":"2.00"', '"sigma":"9.00"'))
    with pytest.raises(IntegrityError, match="another plan"):
        run()


def test_a_row_that_is_being_written_is_waited_for(site, run):
    with site.home.scores(the_plan().digest).open("a") as stream:
        stream.write('{"round":4,"lo')
    assert len(run().losses) == 3


def test_the_card_is_that_of_the_plan_and_its_signature_counts(workspace):
    model = view.model_of(workspace, the_plan().digest)
    assert model and "verified, by &#x27;server&#x27;" in card_html(model, "north")
    assert view.model_of(workspace, "0" * 64) is None
    model.weights.write_bytes(b"other")
    with pytest.raises(IntegrityError):
        view.model_of(workspace, the_plan().digest)
