"""Ask the sites of a plan and wait: by name, for those that are there, until who asks has enough or time is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import httpx
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid

from federated.node.pace import Pace
from policies.keys import PublicKey

PAUSE_S, LONGEST_PAUSE_S = 0.1, 0.5
AGAIN_S = 30.0  # a message may be lost where no error tells of it; asked again after this, twice this, and so on
RETRY_S = 2.0  # where an error tells of it: a process that was killed takes as long to come back
_NUMBER_BYTES = 8
_FINAL = (ErrorCode.INVALID_FAB, ErrorCode.CLIENT_APP_RAISED_EXCEPTION)  # what an executor of ours answers


@dataclass(frozen=True)
class Node:
    """A site's node as the SuperLink knows it now.

    Attributes:
        since: when it connected last; another value means that what it was asked before is lost.
    """

    id: int
    since: str = ""


@dataclass(frozen=True)
class _Told:
    """A node that was asked, for how long its answer is waited for, and until when."""

    node: Node
    wait: float
    until: float

    def failed(self, now: float) -> _Told:
        """Asked again after a pause; a failure is no silence, so it is then waited for as long as this time."""
        return _Told(self.node, self.wait / 2, now + RETRY_S)


def _is_due(before: _Told | None, node: Node, now: float) -> bool:
    return before is None or before.node != node or now >= before.until


def _told(before: _Told | None, node: Node, now: float) -> _Told:
    wait = 2 * before.wait if before and before.node == node else AGAIN_S
    return _Told(node, wait, now + wait)


@dataclass(frozen=True)
class _Reply:
    """A site's answer; nothing of one that failed, or whose process was killed with the message in hand (`lost`)."""

    content: RecordDict | None
    size: int = 0
    lost: bool = False


Directory = Callable[[Grid], Mapping[str, Node]]
"""The nodes that are connected now, by the name of their site."""
_Kept = TypeVar("_Kept")
Read = Callable[[str, RecordDict | None], _Kept]
"""Told each answer once, with its site's name; None of one that failed. What it returns is all that is kept of it."""
Settled = Callable[[Collection[str], Collection[str]], bool]
"""Told who answered so far, and which sites are connected: whether no more is waited for."""


@dataclass(frozen=True)
class Federation:
    """Who takes part, as the server knows it.

    Attributes:
        keys: of the sites, by name.
        find: their nodes.
    """

    name: str
    keys: Mapping[str, PublicKey]
    find: Directory


@dataclass
class Exchange:
    """The way from the server to the sites in one run.

    Attributes:
        sent, received: bytes of content by site, for the records of a round.
    """

    grid: Grid
    find: Directory
    sent: dict[str, int] = field(default_factory=dict)
    received: dict[str, int] = field(default_factory=dict)

    def ask(
        self,
        kind: str,
        contents: Mapping[str, RecordDict],
        seconds: float,
        read: Read[_Kept],
        settled: Settled = lambda answered, online: False,
    ) -> dict[str, _Kept]:
        """Send each site its content, and again where its node came back or is silent; late joiners when they come.

        Answers are read one by one as they come and kept no longer, so memory does not grow with their number.

        Args:
            kind: Flower's message type.
            seconds: until which all are waited for.
            settled: asked again and again whether it may end before all have answered.

        Returns:
            What was read of the answers, by site.
        """
        told, asked, answers = dict[str, _Told](), dict[str, str](), dict[str, _Kept]()
        until, pace = time.monotonic() + seconds, Pace(PAUSE_S, LONGEST_PAUSE_S)
        while (now := time.monotonic()) < until:
            online = self.find(self.grid)
            new = {
                name: _told(told.get(name), online[name], now)
                for name in contents
                if name not in answers and name in online and _is_due(told.get(name), online[name], now)
            }
            asked |= self._push(kind, {name: (one.node, contents[name]) for name, one in new.items()})
            told |= new
            for identity, name in list(asked.items()):
                if name in answers or (reply := self._pull(identity)) is None:
                    continue
                pace.busy()
                if reply.lost:
                    told[name] = told[name].failed(now)
                    del asked[identity]
                else:
                    self.received[name] = self.received.get(name, 0) + reply.size
                    answers[name] = read(name, reply.content)
            if settled(answers.keys(), online.keys()) or answers.keys() == contents.keys():
                break
            time.sleep(pace.next())
        return answers

    def _pull(self, identity: str) -> _Reply | None:
        """What came back for one message, if anything did.

        Whatever a site answers is its own, by the message that it was asked with: neither what the reply says of itself
        nor bytes that are no message change what is asked of the others.

        Raises:
            httpx.HTTPError: the SuperLink is away.
        """
        try:
            for reply in self.grid.pull_messages([identity]):
                if reply.has_error():
                    return _Reply(None, lost=reply.error.code not in _FINAL)
                return _Reply(reply.content, size_of(reply.content))
        except httpx.HTTPError:
            raise
        except Exception:
            return _Reply(None)
        return None

    def _push(self, kind: str, contents: Mapping[str, tuple[Node, RecordDict]]) -> dict[str, str]:
        """The ids of the messages, each with its site's name."""
        found = dict[str, str]()
        for name, (node, content) in contents.items():
            (identity,) = self.grid.push_messages([Message(content, dst_node_id=node.id, message_type=kind)])
            if identity:
                found[identity] = name
                self.sent[name] = self.sent.get(name, 0) + size_of(content)
        return found


def size_of(content: RecordDict) -> int:
    """Bytes of the numbers and fields of a message; Flower's own count fails on an empty list.

    Records are looked at one by one: Flower's views of them tie a content into a ring, and it stays for a while.
    """
    arrays = [array for record in content.values() if isinstance(record, ArrayRecord) for array in record.values()]
    values = [value for record in content.values() if isinstance(record, ConfigRecord) for value in record.values()]
    parts = (part for value in values for part in (value if isinstance(value, list) else [value]))
    fields = sum(len(part) if isinstance(part, bytes) else _NUMBER_BYTES for part in parts)
    return sum(len(array.data) for array in arrays) + fields
