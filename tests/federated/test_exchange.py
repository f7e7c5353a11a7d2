"""Sites are asked by name when they are there, again when they came back, and answers count once, by who sent them."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterable
from uuid import uuid4

import httpx
import pytest
from flwr.app import Error, Message, RecordDict

import federated.exchange
from federated.exchange import Exchange, Node, Settled
from federated.messages import pack_fields, unpack_fields

pytestmark = pytest.mark.usefixtures("flower")
PLAN = "ab" * 32


class Grid:
    """Answers each message with the id of its node; the first `lost` of a node with an error of Flower's."""

    def __init__(self, lost: Iterable[int] = ()) -> None:
        self.lost, self.pushed, self.replies = list(lost), list[int](), list[Message]()

    def push_messages(self, messages: list[Message]) -> list[str]:
        (message,) = messages
        node = message.metadata.dst_node_id
        self.pushed.append(node)
        message.metadata.__dict__["_message_id"] = uuid4().hex
        failed = node in self.lost
        if failed:
            self.lost.remove(node)
        content = Error(16) if failed else pack_fields(PLAN, {"node": node})
        self.replies.append(Message(content, reply_to=message))
        return [message.metadata.message_id]

    def pull_messages(self, ids: Iterable[str]) -> list[Message]:
        wanted = set(ids)
        return [reply for reply in self.replies if reply.metadata.reply_to_message_id in wanted]


def never(answers: object, online: object) -> bool:
    return False


def ask(grid: Grid, times: list[dict[str, Node]], seconds: float = 5, settled: Settled = never) -> dict[str, int]:
    """Nodes are there as in `times`, the last of which goes on."""
    exchange = Exchange(grid, lambda _: times.pop(0) if len(times) > 1 else times[0])  # type: ignore[arg-type]
    contents: dict[str, RecordDict] = {name: pack_fields(PLAN, {}) for name in ("north", "river")}
    return exchange.ask("query.standing", contents, seconds, node_in, settled)


def node_in(name: str, content: RecordDict | None) -> int:
    return -1 if content is None else unpack_fields(content)[1]["node"]


def test_answers_are_by_the_name_of_the_node_and_not_by_their_order() -> None:
    assert ask(Grid(), [{"river": Node(1), "north": Node(2), "nobody": Node(3)}]) == {"north": 2, "river": 1}


def test_a_site_that_comes_late_is_asked_when_it_comes() -> None:
    grid = Grid()
    assert ask(grid, [{"north": Node(1)}, {"north": Node(1)}, {"north": Node(1), "river": Node(2)}]) == {
        "north": 1,
        "river": 2,
    }
    assert grid.pushed == [1, 2]


def test_a_node_that_lost_the_message_is_asked_again() -> None:
    grid = Grid(lost=[2])
    assert ask(grid, [{"north": Node(1), "river": Node(2)}]) == {"north": 1, "river": 2}
    assert grid.pushed == [1, 2, 2]


def test_a_node_that_is_silent_is_asked_again_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lost(Grid):
        def pull_messages(self, ids: Iterable[str]) -> list[Message]:
            return []

    monkeypatch.setattr(federated.exchange, "AGAIN_S", 0.2)
    grid = Lost()
    assert ask(grid, [{"north": Node(1)}], seconds=1.3) == {}  # at 0, 0.2, 0.6
    assert grid.pushed == [1, 1, 1]


def test_who_is_not_there_is_waited_for_until_the_deadline_or_until_who_asks_has_enough() -> None:
    there, told = {"north": Node(1)}, list[tuple[set[str], set[str]]]()
    assert ask(Grid(), [there], seconds=0.5) == {"north": 1}

    def enough(answers: Collection[str], online: Collection[str]) -> bool:
        told.append((set(answers), set(online)))
        return bool(answers)

    assert ask(Grid(), [{}, there], seconds=60, settled=enough) == {"north": 1}
    assert told == [(set(), set()), ({"north"}, {"north"})]


def test_a_node_whose_process_was_killed_is_asked_again_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(federated.exchange, "RETRY_S", 0.4)
    grid = Grid(lost=[1] * 100)
    assert ask(grid, [{"north": Node(1)}], seconds=1.5) == {}
    assert 3 <= len(grid.pushed) <= 5  # and not once in each pass


@pytest.mark.parametrize("error", [ValueError("no message"), KeyError("no such type")])
def test_bytes_of_one_site_that_are_no_message_cost_that_site_alone(error: Exception) -> None:
    class Garbage(Grid):
        def pull_messages(self, ids: Iterable[str]) -> list[Message]:
            found = super().pull_messages(ids)
            if any(reply.metadata.src_node_id == 1 for reply in found):
                raise error
            return found

    assert ask(Garbage(), [{"north": Node(1), "river": Node(2)}]) == {"north": -1, "river": 2}


def test_an_answer_is_of_the_site_that_was_asked_whatever_it_says_of_itself() -> None:
    class Forged(Grid):
        def pull_messages(self, ids: Iterable[str]) -> list[Message]:
            found = super().pull_messages(ids)
            for reply in found:
                reply.metadata.__dict__["_reply_to_message_id"] = uuid4().hex
            self.replies = [reply for reply in self.replies if reply not in found]
            return found

    assert ask(Forged(), [{"north": Node(1), "river": Node(2)}]) == {"north": 1, "river": 2}


def test_a_superlink_that_is_away_is_no_fault_of_a_site() -> None:
    class Away(Grid):
        def pull_messages(self, ids: Iterable[str]) -> list[Message]:
            raise httpx.ConnectError("gone")

    with pytest.raises(httpx.ConnectError):
        ask(Away(), [{"north": Node(1)}])


def test_an_answer_is_gone_when_it_was_read() -> None:
    class Handing(Grid):
        def pull_messages(self, ids: Iterable[str]) -> list[Message]:
            found = super().pull_messages(ids)
            self.replies = [reply for reply in self.replies if reply not in found]
            return found

    held = list[weakref.ref[RecordDict]]()

    def mark(name: str, content: RecordDict | None) -> bool:
        assert content is not None
        assert [one() for one in held] == [None] * len(held)
        held.append(weakref.ref(content))
        return True

    nodes = {f"site{number}": Node(number) for number in range(5)}
    exchange = Exchange(Handing(), lambda _: nodes)  # type: ignore[arg-type]
    contents: dict[str, RecordDict] = {name: pack_fields(PLAN, {}) for name in nodes}
    assert exchange.ask("query.mask", contents, 5, mark) == dict.fromkeys(nodes, True)
