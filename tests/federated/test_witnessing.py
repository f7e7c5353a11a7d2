"""Sites sign each other's tree heads over messages of numbers, and a server that meddles gains nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from federated.plan import Plan
from federated.witnessing import Fields, Question, answer, cosign_all
from policies.errors import IntegrityError
from policies.events import Event
from policies.guard import Site, open_site
from policies.logview import look
from policies.policy import Witnesses
from policies.witness import check_quorum
from policies.workspace import Workspace
from tests.federated.hospitals import plan_for, watch_each_other

NAMES = ("north", "river", "summit")
wrong: list[str] = []
Meddling = Callable[[Question, list[dict[str, object]]], None]


@pytest.fixture
def plan(encoder: Path) -> Plan:
    return plan_for(encoder)


@pytest.fixture
def sites(workspace: Workspace) -> list[Site]:
    watch_each_other(workspace)
    opened = [open_site(workspace, name, "alice") for name in NAMES]
    for site in opened:
        site.guard.record(Event.EXPORT_READ, number=1)
    return opened


def lead(
    sites: Sequence[Site],
    plan: Plan,
    meddle: Meddling = lambda question, asked: None,
    answered: Callable[[Question, list[Fields]], list[Fields]] = lambda question, given: given,
) -> dict[str, list[str]]:
    wrong.clear()

    def ask(question: Question, asked: Sequence[Fields]) -> list[Fields]:
        changed = [dict(fields) for fields in asked]
        meddle(question, changed)
        given = [answer(site, plan, question, fields) for site, fields in zip(sites, changed, strict=True)]
        return answered(question, given)

    return cosign_all(plan, {site.name: site.keys.public for site in sites}, ask, wrong.append)


def witnesses_of(site: Site) -> tuple[str, ...]:
    rule: Witnesses = site.guard.policy.witnesses
    return check_quorum(look(site.home.audit, site.keys.public), site.home.cosigned, site.keys.public, rule).names


def test_every_hospital_gets_the_signatures_of_the_others(sites: list[Site], plan: Plan) -> None:
    for _ in range(2):
        assert lead(sites, plan) == {}
        assert [witnesses_of(site) for site in sites] == [("river", "summit"), ("north", "summit"), ("north", "river")]


def test_where_no_policy_names_a_witness_nobody_is_missed(workspace: Workspace, plan: Plan) -> None:
    asked = list[Question]()
    opened = [open_site(workspace, name, "alice") for name in NAMES]
    assert lead(opened, plan, lambda question, fields: asked.append(question)) == {}
    assert asked == [Question.SEEN]


def test_nothing_but_numbers_and_hashes_crosses(sites: list[Site], plan: Plan) -> None:
    seen = []
    lead(sites, plan, lambda question, asked: seen.extend(value for fields in asked for value in fields.values()))
    flat = [one for value in seen for one in (value if isinstance(value, list) else [value])]
    assert {type(one) for one in flat} == {int, bytes}
    assert not any(b"north" in one or b"event" in one for one in flat if isinstance(one, bytes))


def test_a_log_that_went_back_is_named(sites: list[Site], plan: Plan, tmp_path: Path) -> None:
    backup = shutil.copytree(sites[0].home.audit, tmp_path / "backup")
    sites[0].guard.record(Event.EXPORT_READ, number=2)
    lead(sites, plan)
    shutil.rmtree(sites[0].home.audit)
    shutil.copytree(backup, sites[0].home.audit)
    rewritten = [open_site(Workspace(sites[0].home.root.parents[1]), "north", "alice"), *sites[1:]]
    assert lead(rewritten, plan) == {"north": ["river", "summit"]}


def test_a_server_cannot_forge_a_tree_head(sites: list[Site], plan: Plan) -> None:
    def enlarge(question: Question, asked: list[dict[str, object]]) -> None:
        if question is Question.COSIGN:
            asked[1]["size"] = [1000, *asked[1]["size"][1:]]  # type: ignore[index]

    assert lead(sites, plan, enlarge) == {"north": ["river"]}


def test_a_server_cannot_forge_a_cosignature(sites: list[Site], plan: Plan) -> None:
    def forge(question: Question, asked: list[dict[str, object]]) -> None:
        if question is Question.ATTACH:
            asked[0]["cosignature"] = [b"", bytes(72), bytes(72)]

    lead(sites, plan, forge)
    with pytest.raises(IntegrityError):
        witnesses_of(sites[0])


@pytest.mark.parametrize("forged", [b"short", bytes(72), None], ids=["short", "zeros", "of another log"])
def test_a_signature_that_does_not_verify_is_named_and_goes_no_further(
    sites: list[Site], plan: Plan, forged: bytes | None
) -> None:
    passed_on = list[object]()

    def rivers(question: Question, given: list[Fields]) -> list[Fields]:
        if question is not Question.COSIGN:
            return given
        north, river, summit = given
        _, _, of_summit = river["signature"]
        return [north, {"signature": [of_summit if forged is None else forged, b"", of_summit]}, summit]

    def look(question: Question, asked: list[dict[str, object]]) -> None:
        if question is Question.ATTACH:
            passed_on.extend(fields["cosignature"] for fields in asked)

    assert lead(sites, plan, look, rivers) == {"north": ["river"]}
    assert wrong == ["cosign: 'river': its signature of the log of 'north' is none"]
    assert [[bool(one) for one in own] for own in passed_on] == [
        [False, False, True],
        [True, False, True],
        [True, True, False],
    ]
    assert [witnesses_of(site) for site in sites[1:]] == [("north", "summit"), ("north", "river")]


@pytest.mark.parametrize("fields", [{}, {"old": 3}, {"old": ["x"]}])
def test_what_is_no_question_is_refused(sites: list[Site], plan: Plan, fields: Fields) -> None:
    with pytest.raises(IntegrityError, match="no question"):
        answer(sites[0], plan, Question.HEAD, fields)
