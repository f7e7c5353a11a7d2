"""What is read of a log once, and what comes to it."""

from __future__ import annotations

import pytest

from dashboard.view.logged import logged, when
from policies.errors import IntegrityError
from policies.events import Event


def test_what_comes_is_added_to_what_was_read(site):
    before = logged(site, Event.BUDGET_SPENT, Event.POLICY_CHANGED)
    assert [entry.event for entry in before] == [Event.POLICY_CHANGED, *[Event.BUDGET_SPENT] * 3]
    site.guard.record(Event.MODEL_CHOSEN, model="m", before="")
    (chosen,) = logged(site, Event.MODEL_CHOSEN)
    assert chosen.details["model"] == "m" and when(chosen).endswith(" UTC") and len(when(chosen)) == 20
    assert logged(site, Event.BUDGET_SPENT, Event.POLICY_CHANGED) == before


def test_a_log_that_was_altered_after_it_was_read_is_refused(site):
    logged(site, Event.BUDGET_SPENT)
    path = site.home.audit / "edge.ndjson"
    path.write_bytes(path.read_bytes().replace(b'"round":2', b'"round":7'))
    with pytest.raises(IntegrityError):
        logged(site, Event.BUDGET_SPENT)
