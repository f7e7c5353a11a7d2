"""The smaller pages of hospital IT: jobs, keys, settings and accounts; each is denied to a clinician."""

from __future__ import annotations

from contextlib import suppress

import pytest

from dashboard.signin import accounts
from dashboard.view.accounts import unlock
from dashboard.view.visit import Visit
from federated.provision.authority import issue_certificate, make_authority
from policies.access import Purpose
from policies.accounts import SignInRefused
from policies.errors import AccessDenied
from policies.events import Event
from policies.guard import account_name
from policies.policy import Role
from policies.sessions import Choice
from tests.dashboard.running import everything, html

IT = Role.HOSPITAL_IT


@pytest.mark.parametrize("page", ["jobs", "keys", "settings", "accounts"])
def test_a_clinician_is_denied(workspace, at, page):
    app = at(Role.CLINICIAN, page)
    assert len(app.error) == 1 and "no policy lets" in app.error[0].value and not [*app.dataframe, *app.metric]


def test_jobs_show_throughput_and_that_nothing_was_left_out(workspace, at):
    app = at(IT, "jobs")
    numbers = {metric.label: metric.value for metric in app.metric}
    assert not app.error and numbers["State"] == "done" and numbers["Records"] == "5" and numbers["Left out"] == "0"
    assert "Every record" in app.success[0].value and not app.get("plotly_chart")  # one job alone is no comparison


def test_a_hospital_without_a_job_reads_the_command(workspace, at):
    from policies.guard import open_site

    open_site(workspace, "river")
    assert at(IT, "jobs", site="river").code[0].value == "confide deid IN OUT"


def test_a_certificate_that_ends_soon_is_said_first(workspace, at):
    make_authority(workspace.server.federation, "cardio")
    issue_certificate(workspace.server.federation, "localhost", 10)
    app = at(IT, "keys")
    assert "ends in 9 days" in app.warning[0].value and len(app.dataframe) == 2


def test_keys_are_shown_and_no_secret(workspace, site, at):
    app = at(IT, "keys")
    assert not app.error and list(app.dataframe[0].value["Holder"]) == ["north", "server"]
    assert not any(secret.hex() in everything(app) for secret in (site.keys.wrapping, site.keys.pseudonyms))


def test_settings_show_the_file_as_it_says_with_its_hash(workspace, site, at):
    app = at(IT, "settings")
    assert not app.error and site.guard.policy.digest in html(app)
    chosen = next(option for option in app.selectbox(key="section").options if option == "training")
    app.selectbox(key="section").select(chosen).run()
    assert app.code[0].value.startswith("[training]") and "smallest_cohort" in app.code[0].value


def test_a_locked_account_is_unlocked_and_that_is_logged(workspace, site, events, at):
    kept = accounts(workspace)
    kept.add("asmith", "a sentence that is long enough")
    for _ in range(site.guard.policy.signin.tries):
        with suppress(SignInRefused):
            kept.check("asmith", "wrong")
    app = at(IT, "accounts")
    assert app.dataframe[0].value.iloc[0]["Locked until (UTC)"] and app.selectbox(key="locked").value == "asmith"
    app.button(key="unlock").click().run()
    assert "asmith may try again" in app.success[0].value and not app.selectbox
    assert [(one["account"], one["change"]) for one in events(Event.ACCOUNT_CHANGED)] == [("asmith", "unlocked")]
    kept.check("asmith", "a sentence that is long enough")


def test_without_an_account_the_command_is_said(workspace, at):
    assert at(IT, "accounts").code[0].value == "confide users add NAME"


def test_unlocking_asks_the_policy_itself(workspace, signed_in):
    chosen = Choice(Role.CLINICIAN, Purpose.TREATMENT, "north")
    visit = Visit(workspace, account_name(), chosen, signed_in(Role.CLINICIAN, Purpose.TREATMENT))
    accounts(workspace).add("asmith", "a sentence that is long enough")
    with pytest.raises(AccessDenied, match="is for hospital operations"):
        unlock(visit, "asmith")
