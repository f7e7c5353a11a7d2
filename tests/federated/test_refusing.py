"""Refusals stand in the log as long as there is room for them: a server cannot fill it."""

from __future__ import annotations

import pytest

import federated.refusing
from federated.refusing import REFUSALS, log_refusal, record_refusal
from policies.audit import read_entries
from policies.errors import TrainingError
from policies.events import Entry, Event
from policies.guard import Site


def refused(site: Site) -> list[Entry]:
    return [entry for entry in read_entries(site.home.audit, site.keys.public) if entry.event in REFUSALS]


def test_a_refusal_that_repeats_the_last_one_is_not_logged_again(site: Site) -> None:
    for reason in ("no budget", "no budget", "too few", "no budget"):
        log_refusal(site, TrainingError(reason), plan="ab")
    record_refusal(site, Event.ROUND_FAILED, plan="ab", reason="no budget")
    assert [entry.details["reason"] for entry in refused(site)] == ["no budget", "too few", "no budget", "no budget"]


def test_a_day_has_room_for_so_many_and_the_last_one_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(federated.refusing, "MOST_A_DAY", 3)
    for number in range(6):
        log_refusal(site, TrainingError(f"reason {number}"), plan="ab")
    said = [entry.details for entry in refused(site)]
    assert [details["reason"] for details in said] == ["reason 0", "reason 1", "reason 2"]
    assert [details.get("last_of_the_day") for details in said] == [None, None, 3]
    monkeypatch.setattr(federated.refusing, "_DAY", federated.refusing._DAY * 0)
    log_refusal(site, TrainingError("the next day"), plan="ab")
    assert refused(site)[-1].details["reason"] == "the next day"
