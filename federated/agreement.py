"""The server's side of a plan before it runs: what each site counts for the draft, and its approval of the plan."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from federated.asking import Asking, Refused
from federated.count import FEWEST
from federated.exchange import Exchange
from federated.messages import Fields
from federated.plan import Plan
from federated.proposals import write_proposal
from federated.questions import DRAFT, PROPOSAL, STANDING
from policies.errors import ConfideError, IntegrityError, TrainingError
from policies.files import canonical_json, write_whole
from policies.guard import Server

_ASK_S, _POLL_S = 20.0, 2.0
_REFUSED_S = 15.0  # a person has to do something there first, and each refusal stands in a log
_NO_ANSWER = "another version of Confide, or a fault"
Done = Callable[[str, Fields], bool]
"""Whether a site's answer settles it; raises IntegrityError where it is none to the question."""


@dataclass(frozen=True)
class Agreement:
    """The server among sites that are asked until they agree.

    Attributes:
        patience_s: how long they are waited for.
        waiting: told for what, and for whom.
    """

    server: Server
    exchange: Exchange
    patience_s: float
    waiting: Callable[[str, tuple[str, ...]], None]

    def counts(self, draft: Plan) -> dict[str, int]:
        """What each site counts for a draft; those that told it once are not asked again."""
        path = self.server.home.draft(draft.digest)
        told: dict[str, int] = json.loads(path.read_bytes()) if path.exists() else {}
        most = int(1 / (10 * Decimal(draft.delta)))  # more patients would need a smaller delta

        def keep(name: str, answer: Fields) -> bool:
            told[name] = max(_number(answer, "patients", most), FEWEST)
            write_whole(path, canonical_json(told))
            return True

        names = [share.name for share in draft.sites]
        document = self._document(draft)
        self._all(DRAFT, draft, "count patients", {name: document for name in names if name not in told}, keep)
        return {name: told[name] for name in names}

    def approvals(self, plan: Plan) -> None:
        """Show a plan to every site, and wait until people there approved it."""
        write_whole(self.server.home.agreed(plan.digest), canonical_json(plan.model_dump(mode="json")) + b"\n")
        names = [share.name for share in plan.sites]
        shown = dict.fromkeys(names, self._document(plan))
        self._all(PROPOSAL, plan, "receive the plan", shown, lambda name, answer: True)
        what = f"approve plan {plan.digest[:16]}"
        nothing: dict[str, Fields] = {name: {} for name in names}
        self._all(STANDING, plan, what, nothing, lambda name, answer: bool(_number(answer, "approved", 1)))

    def _document(self, plan: Plan) -> Fields:
        return {"document": write_proposal(self.server.keys, plan)}

    def _all(self, question: str, plan: Plan, what: str, asked: Mapping[str, Fields], done: Done) -> None:
        """Ask until it is done at every site.

        Raises:
            TrainingError: it is not in time; with the code of a site that refused.
        """
        left, until = dict(asked), time.monotonic() + self.patience_s
        asking = Asking(self.exchange, lambda reason: None)  # said below, each time that somebody is waited for
        while left:
            self.waiting(what, tuple(left))
            answers = asking.ask_fields(question, plan.digest, left, done, seconds=_ASK_S, enough=0)
            for name in (name for name, is_done in answers.given.items() if is_done):
                del left[name]
            why = {name: _why(fault) for name, fault in sorted(answers.faults.items())}
            if left and time.monotonic() > until:
                codes = "".join(f"; '{name}' refuses ({said})" for name, said in why.items())
                raise TrainingError(
                    f"waited for {', '.join(left)} to {what}{codes}",
                    "The reason stands in the log of each site; the same command goes on from here.",
                )
            for name, said in why.items():
                self.waiting(f"{what}; it refuses ({said}), and 'confide site status' there says why", (name,))
            time.sleep(_REFUSED_S if why else _POLL_S if left else 0)


def _number(answer: Fields, key: str, most: int) -> int:
    """Raises IntegrityError where an answer holds no whole number from 0 to `most` by this name."""
    number = answer.get(key)
    if type(number) is not int or not 0 <= number <= most:
        raise IntegrityError(f"an answer without a number of 0 to {most} for '{key}'")
    return number


def _why(fault: ConfideError) -> str:
    return f"code {fault.code}" if isinstance(fault, Refused) else _NO_ANSWER
