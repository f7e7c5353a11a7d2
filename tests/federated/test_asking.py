"""Sites are asked until enough have answered in a way that can be read; the others are named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
from flwr.app import RecordDict

from federated.asking import Asking, Refused, read_fields
from federated.exchange import Exchange
from federated.messages import pack_fields
from policies.errors import IntegrityError

PLAN = "ab" * 32
REFUSAL = pack_fields(PLAN, {"refusal": 7})


class Sites:
    """In the place of an exchange: what comes back of each time that sites are asked."""

    def __init__(self, *times: Mapping[str, RecordDict | None]) -> None:
        self.times, self.asked = list(times), list[tuple[list[str], int]]()

    def ask(self, kind: str, contents: Mapping[str, RecordDict], seconds: float, enough: int) -> dict[str, Any]:
        self.asked.append((sorted(contents), enough))
        return dict(self.times.pop(0))


def ask(sites: Sites, wrong: list[str], enough: int = 2) -> Any:
    contents = {name: pack_fields(PLAN, {}) for name in ("north", "river", "summit")}
    asking = Asking(cast(Exchange, sites), wrong.append)
    return asking.ask("query.x", contents, lambda one: read_fields(one, PLAN), seconds=1, enough=enough)


def test_a_refusal_is_not_among_those_that_are_enough() -> None:
    good, wrong = pack_fields(PLAN, {"a": 1}), list[str]()
    sites = Sites({"north": good, "river": REFUSAL}, {"summit": good})
    answers = ask(sites, wrong)
    assert answers.given == {"north": {"a": 1}, "summit": {"a": 1}}
    assert sites.asked == [(["north", "river", "summit"], 2), (["summit"], 1)]
    assert wrong == ["x: 'river': refused (code 7)"]


def test_it_ends_when_time_is_up_and_when_enough_are_there() -> None:
    assert ask(Sites({"north": REFUSAL}, {}), []).given == {}
    assert ask(Sites({"north": pack_fields(PLAN, {})}), [], enough=1).given == {"north": {}}
    assert ask(Sites({}), [], enough=0).given == {}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "gave no answer"),
        (RecordDict({}), "no question, nor an answer"),
        (pack_fields("cd" * 32, {}), "another plan"),
        (pack_fields(PLAN, {"refusal": b"Zebulon"}), r"code unknown"),
    ],
)
def test_what_cannot_be_read_is_absent_and_named(content: RecordDict | None, why: str) -> None:
    wrong = list[str]()
    answers = ask(Sites({"river": content}, {}), wrong)
    assert answers.given == {}
    assert why in answers.faults["river"].message
    assert wrong == [f"x: 'river': {answers.faults['river'].message}"]
    assert "Zebulon" not in wrong[0]


def test_a_refusal_is_one_whatever_plan_it_names() -> None:
    with pytest.raises(Refused):
        read_fields(pack_fields("00" * 32, {"refusal": 1}), PLAN)
    with pytest.raises(IntegrityError):
        read_fields(pack_fields("00" * 32, {}), PLAN)
