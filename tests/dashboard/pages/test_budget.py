"""The page of the privacy budget."""

from __future__ import annotations

from policies.policy import Role
from privacy.training.budget import open_ledger
from tests.dashboard.conftest import the_plan


def test_it_shows_what_each_spending_bought_over_time(workspace, site, at):
    app = at(Role.COMPLIANCE_OFFICER, "budget")
    assert not app.error and not app.exception
    (row,) = app.dataframe[0].value.to_dict("records")
    spent, cap = app.metric[0].value.split(" of ")
    assert row["Epsilon of all until then"] == spent and float(spent) > 0 and cap == "8"
    assert (row["Spent"], row["Reserved"], row["Refunded"]) == (3, 0, 0) and "3 rounds; model " in row["Bought"]
    assert row["Plan"] == the_plan().digest[:16]
    assert app.get("plotly_chart") and any("dashed line is the cap of 8" in line.value for line in app.caption)


def test_epsilon_is_recomputed_on_request_and_is_the_same(workspace, site, at):
    app = at(Role.COMPLIANCE_OFFICER, "budget")
    assert len(app.metric) == 3
    app.button(key="recompute").click().run()
    numbers = {metric.label: metric.value for metric in app.metric}
    assert numbers["From the log"] == numbers["In the ledger"] == numbers["Epsilon spent per patient"].split(" of ")[0]
    assert "equal to" in app.success[0].value


def test_a_refunded_round_is_told_and_counts_nothing(workspace, site, at):
    ledger = open_ledger(site)
    ledger.refund(ledger.reserve(the_plan().digest, 4, the_plan().release_of_round())[0])
    (row,) = at(Role.COMPLIANCE_OFFICER, "budget").dataframe[0].value.to_dict("records")
    assert (row["Spent"], row["Refunded"]) == (3, 1)


def test_an_unequal_ledger_is_said_in_red(workspace, site, at):
    ledger = open_ledger(site)
    ledger.spend(ledger.reserve("x", 1, the_plan().release_of_round())[0])
    app = at(Role.COMPLIANCE_OFFICER, "budget")
    assert "lacks 1 bookings" in app.error[0].value and not app.metric


def test_before_the_first_training_the_page_names_the_command(workspace, site, at):
    from policies.guard import open_site

    open_site(workspace, "river")
    app = at(Role.COMPLIANCE_OFFICER, "budget", site="river")
    assert app.code[0].value == "confide train" and app.metric[0].value == "0.000 of 8"


def test_a_clinician_has_no_such_page(workspace, at):
    app = at(Role.CLINICIAN, "budget")
    assert "no policy lets" in app.error[0].value and not [*app.metric, *app.dataframe]
