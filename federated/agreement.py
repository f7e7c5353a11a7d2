"""The server's side of a plan before it runs: what each site counts for the draft, and its approval of the plan."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from flwr.app import RecordDict

from federated.count import FEWEST
from federated.exchange import Exchange, Settled
from federated.messages import pack_fields, unpack_fields
from federated.plan import Plan
from federated.proposals import write_proposal
from federated.questions import DRAFT, PROPOSAL, STANDING
from policies.errors import TrainingError
from policies.files import canonical_json, write_whole
from policies.guard import Server

_ASK_S, _POLL_S = 20.0, 2.0
_REFUSED_S = 15.0  # a person has to do something there first, and each refusal stands in a log
_NO_ANSWER = "another version of Confide, or a fault"
Told = Mapping[str, int]


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

        def keep(name: str, answer: Told) -> bool:
            number = answer.get("patients")
            if type(number) is not int or not 0 <= number <= most:
                return False  # asked again, and named as missing in the end
            told[name] = max(number, FEWEST)
            write_whole(path, canonical_json(told))
            return True

        names = [share.name for share in draft.sites]
        document = self._document(draft)
        self._all(DRAFT, "count patients", {name: document for name in names if name not in told}, keep)
        return {name: told[name] for name in names}

    def approvals(self, plan: Plan) -> None:
        """Show a plan to every site, and wait until people there approved it."""
        write_whole(self.server.home.agreed(plan.digest), canonical_json(plan.model_dump(mode="json")) + b"\n")
        names = [share.name for share in plan.sites]
        self._all(PROPOSAL, "receive the plan", dict.fromkeys(names, self._document(plan)), lambda name, answer: True)
        asked = dict.fromkeys(names, pack_fields(plan.digest, {}))
        what = f"approve plan {plan.digest[:16]}"
        self._all(STANDING, what, asked, lambda name, answer: bool(answer["approved"]))

    def _document(self, plan: Plan) -> RecordDict:
        return pack_fields(plan.digest, {"document": write_proposal(self.server.keys, plan)})

    def _all(self, kind: str, what: str, contents: Mapping[str, RecordDict], done: Callable[[str, Told], bool]) -> None:
        """Ask until it is done at every site.

        Raises:
            TrainingError: it is not in time; with the code of a site that refused.
        """
        left, until = dict(contents), time.monotonic() + self.patience_s
        while left:
            self.waiting(what, tuple(left))
            answers = self.exchange.ask(f"query.{kind}", left, _ASK_S, _all_there(left))
            fields = {name: unpack_fields(content)[1] for name, content in answers.items() if content is not None}
            refused = {name: f"code {answer['refusal']}" for name, answer in fields.items() if "refusal" in answer}
            refused |= {name: _NO_ANSWER for name, content in answers.items() if content is None}
            for name in fields.keys() - refused.keys():
                if done(name, fields[name]):
                    del left[name]
            if left and time.monotonic() > until:
                codes = "".join(f"; '{name}' refuses ({why})" for name, why in sorted(refused.items()))
                raise TrainingError(
                    f"waited for {', '.join(left)} to {what}{codes}",
                    "The reason stands in the log of each site; the same command goes on from here.",
                )
            for name, why in sorted(refused.items()):
                self.waiting(f"{what}; it refuses ({why}), and 'confide site status' there says why", (name,))
            time.sleep(_REFUSED_S if refused else _POLL_S if left else 0)


def _all_there(names: Collection[str]) -> Settled:
    """Whether each of these sites that is connected has answered."""
    asked = set(names)
    return lambda answers, online: not (asked - answers.keys()) & set(online)
