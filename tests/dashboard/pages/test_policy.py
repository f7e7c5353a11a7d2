"""The page of the policy: words, history, a proposal replayed, documents."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dashboard.view import policy as view
from dashboard.view.audit import Log
from policies.access import installed_access
from policies.errors import InputError
from policies.policy import Role
from policies.report import Document

HOSTILE_RULE = '@id("<b>x</b>")\nforbid (principal, action, resource);\n'


def replayed(app, text):
    app.text_area(key="pasted").set_value(text).run()
    app.button(key="replay").click().run()
    assert not app.exception
    return app


def test_it_says_who_may_do_what_with_both_hashes(workspace, site, at):
    app = at(Role.COMPLIANCE_OFFICER, "policy")
    assert not app.error and not app.exception
    words = "\n".join(line.value for line in app.markdown)
    assert "may**" in words and "see the audit log" in words and "Whoever has no role may" in words
    assert any("holds every role" in warning.value for warning in app.warning)
    html = "\n".join(element.proto.body for element in app.main.get("html"))
    assert site.guard.policy.digest in html and site.guard.access.digest in html


def test_a_changed_key_stands_in_its_history_with_both_values(workspace, site, at):
    workspace.policy.write_text(workspace.policy.read_text().replace("smallest_cohort = 100", "smallest_cohort = 120"))
    rows = at(Role.COMPLIANCE_OFFICER, "policy").dataframe[0].value
    changed = rows[rows["Key"] == "training.smallest_cohort"]
    assert changed[["Before", "Now"]].to_numpy().tolist()[0] == ["100", "120"]


def test_the_rules_in_force_change_nothing_and_a_ban_changes_every_yes(workspace, at):
    app = replayed(at(Role.COMPLIANCE_OFFICER, "policy"), installed_access().text)
    assert any("**0 kinds** would change" in line.value for line in app.markdown)
    app = replayed(app, installed_access().text + HOSTILE_RULE)
    (changes,) = [frame.value for frame in app.dataframe if "Would be" in frame.value]
    assert set(changes["Would be"]) == {"denied"} and "<b>x</b>" in changes["Rules proposed"].iloc[0]


def test_a_proposal_with_a_fault_is_a_sentence_with_its_line(workspace, at):
    app = replayed(at(Role.COMPLIANCE_OFFICER, "policy"), '@id("a")\npermit (principal, action resource);\n')
    assert "the proposed policy: line 1" in app.error[0].value


@pytest.mark.parametrize("data", [b"", b"\xff", b"permit", b" " * 200_001])
def test_what_is_no_policy_is_refused(site, data):
    log = Log(site)
    with pytest.raises(InputError):
        view.replayed(log, log.index.follow()[0], data, datetime.now(UTC).date())


def test_a_document_is_filled_in(site):
    log = Log(site)
    log.index.follow()
    text = view.document(log, site, Document.DPIA).decode()
    assert "[WRITE" in text and "budget.spent 3" in text and f"{datetime.now(UTC):%Y-%m-%d}" in text


def test_hospital_it_reads_the_words_alone(workspace, at):
    app = at(Role.HOSPITAL_IT, "policy")
    assert not app.error and not app.tabs and not app.dataframe and any("may**" in line.value for line in app.markdown)
    app = at(Role.CLINICIAN, "policy")
    assert "no policy lets" in app.error[0].value and not any("may**" in line.value for line in app.markdown)
