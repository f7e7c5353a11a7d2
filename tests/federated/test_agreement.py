"""Sites are asked until they agree; one that refuses is named at once, with its code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from flwr.app import RecordDict

import federated.agreement
from federated.agreement import Agreement
from federated.exchange import Read
from federated.messages import Fields, pack_fields, unpack_fields
from federated.plan import Plan
from policies.errors import TrainingError
from policies.guard import open_server
from policies.workspace import Workspace


class Answers:
    """An exchange whose sites answer each question with the next of their answers, and the last for ever."""

    def __init__(self, **answers: list[Fields | RecordDict | None]) -> None:
        self._answers, self.asked = answers, 0

    def ask(self, kind: str, contents: Mapping[str, RecordDict], seconds: float, read: Read[Any], *_: object) -> None:
        self.asked += 1
        for name, content in contents.items():
            one = self._answers[name].pop(0) if len(self._answers[name]) > 1 else self._answers[name][0]
            about = unpack_fields(content)[0]
            read(name, None if one is None else one if isinstance(one, RecordDict) else pack_fields(about, one))


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(federated.agreement, "_POLL_S", 0.0)
    monkeypatch.setattr(federated.agreement, "_REFUSED_S", 0.0)


def counted(workspace: Workspace, plan: Plan, exchange: Answers, patience_s: float = 60) -> tuple[list[str], object]:
    said = list[str]()
    agreement = Agreement(
        open_server(workspace),
        exchange,  # type: ignore[arg-type]
        patience_s,
        lambda what, sites: said.append(f"{', '.join(sites)} to {what}"),
    )
    return said, agreement.counts(plan)


def test_a_site_that_refuses_is_named_with_its_code_and_asked_again(workspace: Workspace, plan: Plan) -> None:
    exchange = Answers(
        north=[{"patients": 40}], river=[{"refusal": 5}, {"patients": 30}], summit=[None, {"patients": 3}]
    )
    said, counts = counted(workspace, plan, exchange)
    assert counts == {"north": 40, "river": 30, "summit": 10}
    assert "river to count patients; it refuses (code 5), and 'confide site status' there says why" in said
    assert any("summit" in line and "another version of Confide" in line for line in said)
    assert counted(workspace, plan, exchange)[1] == counts
    assert exchange.asked == 2  # what was told once is not asked again


def test_who_refuses_to_the_end_is_in_the_error(workspace: Workspace, plan: Plan, tmp_path: Path) -> None:
    exchange = Answers(north=[{"patients": 40}], river=[{"refusal": 5}], summit=[{"patients": 40}])
    with pytest.raises(TrainingError, match=r"waited for river to count patients; 'river' refuses \(code 5\)"):
        counted(workspace, plan, exchange, patience_s=0.01)


@pytest.mark.parametrize("answer", [{}, {"patients": b"9"}, {"patients": -1}, {"patients": 10**6}])
def test_an_answer_that_is_no_count_is_not_kept(workspace: Workspace, plan: Plan, answer: Fields) -> None:
    exchange = Answers(north=[answer, {"patients": 40}], river=[{"patients": 30}], summit=[{"patients": 20}])
    assert counted(workspace, plan, exchange)[1] == {"north": 40, "river": 30, "summit": 20}


BAD = [{}, {"approved": b"1"}, {"approved": 2}, RecordDict({}), pack_fields("cd" * 32, {"approved": 1})]


@pytest.mark.parametrize("answer", BAD, ids=["nothing", "bytes", "two", "no fields", "another plan"])
def test_an_answer_that_is_no_approval_is_its_sites_fault_alone(workspace: Workspace, plan: Plan, answer: Any) -> None:
    said, yes = list[str](), {"approved": 1}
    exchange = Answers(north=[{}, answer, yes], river=[{}, yes], summit=[{}, yes])
    agreement = Agreement(
        open_server(workspace),
        exchange,  # type: ignore[arg-type]
        60,
        lambda what, sites: said.append(f"{', '.join(sites)} to {what}"),
    )
    agreement.approvals(plan)
    assert exchange.asked == 3  # proposed, asked, and north once more
    assert [line for line in said if "refuses" in line] == [
        f"north to approve plan {plan.digest[:16]}; it refuses (another version of Confide, or a fault), and "
        "'confide site status' there says why"
    ]
