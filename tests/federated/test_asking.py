"""Sites are asked until enough have answered in a way that can be read; the others are named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
from flwr.app import RecordDict

from federated.asking import Asking, Refused, read_fields
from federated.exchange import Exchange, Read, Settled
from federated.messages import pack_fields
from policies.errors import IntegrityError

PLAN = "ab" * 32
NAMES = ("north", "river", "summit")
GOOD, REFUSAL = pack_fields(PLAN, {"a": 1}), pack_fields(PLAN, {"refusal": 7})


class Sites:
    """In the place of an exchange: what comes back, one after the other; those named last stay connected and silent."""

    def __init__(self, *answers: tuple[str, RecordDict | None], busy: tuple[str, ...] = ()) -> None:
        self.answers, self.busy, self.heard = answers, busy, list[str]()

    def ask(
        self, kind: str, contents: Mapping[str, RecordDict], seconds: float, read: Read[Any], settled: Settled
    ) -> None:
        for name, content in self.answers:
            read(name, content)
            self.heard.append(name)
            if settled(self.heard, {*self.heard, *self.busy}):
                break


def ask(sites: Sites, wrong: list[str], enough: int = 2) -> Any:
    contents = {name: pack_fields(PLAN, {}) for name in NAMES}
    asking = Asking(cast(Exchange, sites), wrong.append)
    return asking.ask("query.x", contents, lambda name, one: read_fields(one, PLAN), seconds=1, enough=enough)


def test_a_refusal_is_not_among_those_that_are_enough() -> None:
    wrong = list[str]()
    sites = Sites(("north", GOOD), ("river", REFUSAL), ("summit", GOOD), busy=NAMES)
    answers = ask(sites, wrong)
    assert answers.given == {"north": {"a": 1}, "summit": {"a": 1}}
    assert wrong == ["x: 'river': refused (code 7)"]


def test_it_ends_at_once_when_enough_can_no_longer_be_there_and_says_who_said_what() -> None:
    sites = Sites(("north", GOOD), ("river", REFUSAL), ("summit", GOOD), busy=NAMES)
    answers = ask(sites, [], enough=3)
    assert sites.heard == ["north", "river"]
    assert answers.in_words(NAMES) == "'north' answered; 'river': refused (code 7); 'summit' said nothing"


def test_it_ends_when_enough_are_there_and_nobody_else_that_is_connected_is_at_it() -> None:
    both = (("north", GOOD), ("river", GOOD))
    assert ask(alone := Sites(*both), [], enough=1).given.keys() == {"north"}
    assert alone.heard == ["north"]
    assert ask(Sites(*both, busy=("river",)), [], enough=1).given.keys() == {"north", "river"}
    assert ask(Sites(), [], enough=0).given == {}


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
    answers = ask(Sites(("river", content)), wrong)
    assert answers.given == {}
    assert why in answers.faults["river"].message
    assert wrong == [f"x: 'river': {answers.faults['river'].message}"]
    assert "Zebulon" not in wrong[0]


def test_a_refusal_is_one_whatever_plan_it_names() -> None:
    with pytest.raises(Refused):
        read_fields(pack_fields("00" * 32, {"refusal": 1}), PLAN)
    with pytest.raises(IntegrityError):
        read_fields(pack_fields("00" * 32, {}), PLAN)


def test_whatever_an_answer_leads_to_costs_its_site_alone() -> None:
    def read(name: str, content: RecordDict) -> int:
        return int(read_fields(content, PLAN)["a"])

    wrong = list[str]()
    sites = Sites(("north", pack_fields(PLAN, {})), ("river", GOOD), busy=NAMES)
    asking = Asking(cast(Exchange, sites), wrong.append)
    answers = asking.ask("query.x", dict.fromkeys(NAMES, GOOD), read, seconds=1, enough=0)
    assert (answers.given, list(answers.faults)) == ({"river": 1}, ["north"])
    assert wrong == ["x: 'north': gave an answer that cannot be read (KeyError)"]
