"""Asking the sites of a plan: one reader for every answer, and a site whose answer cannot be read is left out alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from flwr.app import RecordDict

from federated.aggregation import Weights
from federated.aggregation.weights import shapes
from federated.exchange import Exchange
from federated.messages import Fields, pack_fields, unpack_fields, unpack_reply
from policies.errors import ConfideError, IntegrityError, TrainingError

_Answer = TypeVar("_Answer")


class Refused(TrainingError):
    """A site gave the exit code of a refusal in the place of an answer."""

    def __init__(self, code: object) -> None:
        self.code = code if isinstance(code, int) else "unknown"
        super().__init__(f"refused (code {self.code})")


@dataclass(frozen=True)
class Answers(Generic[_Answer]):
    """What the sites said, by name, and why what others said does not count; those that are silent are in neither."""

    given: Mapping[str, _Answer]
    faults: Mapping[str, ConfideError]

    def in_words(self, names: Sequence[str]) -> str:
        """What each of these sites said."""
        said = {name: f": {fault.message}" for name, fault in self.faults.items()}
        said |= dict.fromkeys(self.given, " answered")
        return "; ".join(f"'{name}'{said.get(name, ' said nothing')}" for name in names)


@dataclass(frozen=True)
class Asking:
    """The questions of one round.

    Attributes:
        wrong: told of each site whose answer does not count, in a sentence.
    """

    exchange: Exchange
    wrong: Callable[[str], None]

    def ask(
        self,
        kind: str,
        contents: Mapping[str, RecordDict],
        read: Callable[[str, RecordDict], _Answer],
        *,
        seconds: float,
        enough: int,
    ) -> Answers[_Answer]:
        """Ask each site its content, and wait until enough have given an answer that can be read, or no longer can.

        Args:
            kind: Flower's message type.
            read: told the site's name and its answer as it comes; what it returns is all that is kept of it. Raises
                ConfideError where an answer does not count; the site is then asked no more.
            seconds: after which it ends in any case.
            enough: answers that suffice once no other site that was asked is connected.
        """
        given, faults = dict[str, _Answer](), dict[str, ConfideError]()

        def keep(name: str, content: RecordDict | None) -> None:
            try:
                given[name] = read(name, _there(content))
            except ConfideError as error:
                faults[name] = error
            except Exception as error:  # whatever it is that another's bytes lead to
                faults[name] = IntegrityError(f"gave an answer that cannot be read ({type(error).__name__})")
            if name in faults:
                self.wrong(f"{kind.removeprefix('query.')}: '{name}': {faults[name].message}")

        def settled(answered: Collection[str], online: Collection[str]) -> bool:
            waiting = contents.keys() - answered
            out_of_reach = len(given) + len(waiting) < enough
            return out_of_reach or (len(given) >= enough and not waiting & set(online))

        self.exchange.ask(kind, contents, seconds, keep, settled)
        return Answers(given, faults)

    def ask_fields(
        self,
        question: str,
        plan: str,
        asked: Mapping[str, Fields],
        check: Callable[[str, Fields], _Answer],
        *,
        seconds: float,
        enough: int,
    ) -> Answers[_Answer]:
        """Ask each site a question that is no order to train; `check` is to its fields what `read` of `ask` is."""
        contents = {name: pack_fields(plan, fields) for name, fields in asked.items()}
        return self.ask(
            f"query.{question}",
            contents,
            lambda name, content: check(name, read_fields(content, plan)),
            seconds=seconds,
            enough=enough,
        )


def read_update(content: RecordDict, plan: str, round_number: int, like: Weights) -> Weights:
    """The update in a site's reply.

    Args:
        like: arrays of the same names and shapes; none where updates leave by a secure sum.

    Raises:
        Refused: the reply is a refusal.
        IntegrityError: it is no reply to this order, or its update has other shapes or a number that is not finite.
    """
    reply = unpack_reply(content)
    if reply.refusal:
        raise Refused(reply.refusal)
    if (reply.plan, reply.round) != (plan, round_number):
        raise IntegrityError("answers to another plan or round")
    if shapes(reply.gradient) != shapes(like):
        raise IntegrityError("sent an update that is not of one shape with the model")
    if not all(np.isfinite(array).all() for array in reply.gradient.values()):
        raise IntegrityError("sent an update with a number that is not finite")
    return reply.gradient


def read_fields(content: RecordDict, plan: str) -> Fields:
    """The fields of a site's answer.

    Raises:
        Refused: it is a refusal.
        IntegrityError: it is no answer, or one about another plan.
    """
    about, fields = unpack_fields(content)
    if "refusal" in fields:
        raise Refused(fields["refusal"])
    if about != plan:
        raise IntegrityError("answers about another plan")
    return fields


def _there(content: RecordDict | None) -> RecordDict:
    if content is None:
        raise TrainingError("failed and gave no answer")
    return content
