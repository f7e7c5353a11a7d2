"""The server's rounds: who took part is counted once, what is kept is enough to go on, and lies are seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Message, RecordDict
from safetensors.numpy import load_file, save

import federated.server_after
from clinical.classifier import trained_weights
from federated.aggregation import Weights
from federated.aggregation.early_stop import PublicScore, no_score
from federated.approval import approve
from federated.exchange import Federation
from federated.messages import (
    TrainReply,
    pack_fields,
    pack_order,
    pack_reply,
    unpack_fields,
    unpack_order,
    unpack_reply,
)
from federated.parties import SIMULATED_SITES, simulated_parties
from federated.plan import Plan
from federated.progress import last_finished, unfinished
from federated.receipt import read_receipt, write_receipt
from federated.server_app import Rounds
from federated.site_round import plan_classifier, prepare
from policies.audit import read_entries
from policies.errors import IntegrityError, TrainingError
from policies.events import Entry, Event
from policies.files import canonical_json, sha256_hex, write_whole
from policies.guard import Server, open_server
from policies.policy import Aggregation
from policies.workspace import WORKSPACE_VARIABLE, Workspace
from privacy.training.budget import open_ledger
from tests.contracts import close, made
from tests.federated.hospitals import SITES, hospital, plan_for, watch_each_other
from tests.federated.same_process import Alter, Forge, SameProcess, nodes_of

pytestmark = pytest.mark.usefixtures("flower")


@pytest.fixture
def server(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(workspace.root))
    monkeypatch.setenv(SIMULATED_SITES, ",".join(SITES))
    server = open_server(workspace)
    for name in SITES:
        hospital(workspace, name)
    return server


@pytest.fixture
def secure(workspace: Workspace, server: Server, encoder: Any) -> Plan:
    return agreed(workspace, plan_for(encoder, aggregation=Aggregation.SECURE, round_seconds=1))


@pytest.fixture
def plain(workspace: Workspace, server: Server, encoder: Any) -> Plan:
    return agreed(workspace, plan_for(encoder, min_sites=2, round_seconds=1))


def agreed(workspace: Workspace, plan: Plan) -> Plan:
    for name in SITES:
        approve(hospital(workspace, name), plan, workspace.deidentified(name))
        prepare(hospital(workspace, name), plan, plan_classifier(plan))
    return plan


def rounds(
    workspace: Workspace,
    plan: Plan,
    absent: tuple[str, ...] = (),
    tries: int = 1,
    score: PublicScore = no_score,
    start: Callable[[Weights], Weights] = lambda start: start,
) -> Rounds:
    parties = simulated_parties(workspace, list(SITES))
    nodes = {name: node for name, node in nodes_of(SITES).items() if name not in absent}
    federation = Federation(parties.federation, parties.sites, lambda grid: nodes)
    first = start(trained_weights(plan_classifier(plan)))
    return Rounds(open_server(workspace), plan, first, federation, tries=tries, score=score)


def run(one: Rounds, alter: Alter = lambda place, message: message, forge: Forge = lambda place, reply: None) -> None:
    one.run(SameProcess(alter, forge))  # type: ignore[arg-type]


def events(server: Server, event: Event) -> list[Entry]:
    return [entry for entry in read_entries(server.home.audit, server.keys.public) if entry.event is event]


def of_site(workspace: Workspace, name: str, event: Event) -> list[Entry]:
    site = hospital(workspace, name)
    return [entry for entry in read_entries(site.home.audit, site.keys.public) if entry.event is event]


def mean_of_kept(workspace: Workspace, plan: Plan, names: Mapping[str, str], number: int) -> dict[str, Any]:
    total = sum(map(float, names.values()))
    kept = {name: load_file(hospital(workspace, name).home.update(plan.digest, number)) for name in names}
    return {key: sum(float(names[site]) / total * kept[site][key] for site in names) for key in kept["north"]}


def test_a_secure_sum_is_the_mean_of_what_the_sites_keep_and_each_is_counted_once(
    workspace: Workspace, server: Server, secure: Plan
) -> None:
    run(rounds(workspace, secure))
    start, mean = trained_weights(plan_classifier(secure)), mean_of_kept(workspace, secure, SITES, 1)
    after = load_file(server.home.weights(secure.digest, 1))
    for name in start:
        np.testing.assert_allclose(after[name], start[name] - secure.learning_rate * mean[name], atol=1e-5)
    receipt = read_receipt(server.keys.public, server.home.receipt(secure.digest, 1).read_bytes())
    assert receipt.model == sha256_hex(server.home.weights(secure.digest, 1).read_bytes())
    assert set(receipt.inputs) == set(receipt.signatures) == set(SITES)
    for name in SITES:
        update = hospital(workspace, name).home.update(secure.digest, 1).read_bytes()
        assert receipt.inputs[name] != sha256_hex(update)  # the server saw it under masks alone
        assert [entry.details["counted"] for entry in of_site(workspace, name, Event.RECEIPT_CHECKED)] == [True, True]


def test_a_plan_ends_early_by_a_score_and_a_resumed_run_of_it_as_well(
    workspace: Workspace, server: Server, encoder: Path
) -> None:
    plan = agreed(workspace, plan_for(encoder, rounds=3, patience=1, validation_sha256="0" * 64, sigma="8.0"))
    with pytest.raises(TrainingError, match="none are named"):
        run(rounds(workspace, plan))
    for _ in range(2):
        run(rounds(workspace, plan, score=lambda weights: 0.5))
        assert [entry.details["round"] for entry in events(server, Event.ROUND_AGGREGATED)] == [1, 2]
    assert len(of_site(workspace, "north", Event.BUDGET_SPENT)) == 2


def test_a_round_counts_with_the_sites_that_the_plan_needs_and_weights_that_sum_to_one(
    workspace: Workspace, server: Server, plain: Plan
) -> None:
    run(rounds(workspace, plain, absent=("summit",)))
    there = {name: weight for name, weight in SITES.items() if name != "summit"}
    start, mean = trained_weights(plan_classifier(plain)), mean_of_kept(workspace, plain, there, 1)
    expected = {name: start[name] - plain.learning_rate * mean[name] for name in start}
    close(load_file(server.home.weights(plain.digest, 1)), expected)
    rows = [json.loads(line) for line in server.home.rounds(plain.digest).read_text().splitlines()]
    assert [(row["round"], row["sites"], set(row["received"])) for row in rows] == [
        (number, ["north", "river"], {"north", "river"}) for number in (1, 2)
    ]


def test_too_few_sites_end_the_run_after_the_tries(workspace: Workspace, server: Server, plain: Plan) -> None:
    with pytest.raises(TrainingError, match=r"1 of 3 sites answered, and the plan needs 2"):
        run(rounds(workspace, plain, absent=("river", "summit"), tries=2))
    assert len(events(server, Event.ROUND_FAILED)) == 1
    assert last_finished(server, plain) is None


def test_a_refusal_that_the_plan_cannot_bear_ends_the_run_with_site_and_code(
    workspace: Workspace, server: Server, secure: Plan
) -> None:
    hospital(workspace, "river").home.plan(secure.digest).unlink()
    with pytest.raises(TrainingError, match=r"round 1: site 'river' refused \(code 9\)"):
        run(rounds(workspace, secure))
    (refused,) = of_site(workspace, "river", Event.RUN_REFUSED)
    assert refused.details["plan"] == secure.digest
    assert not of_site(workspace, "river", Event.ROUND_FAILED)  # it stands there once


@pytest.mark.parametrize("step", ["train", "advertise", "share", "mask", "sign", "unmask", "receipt"])
def test_a_server_killed_at_any_message_goes_on_with_the_same_updates(
    workspace: Workspace, server: Server, secure: Plan, step: str
) -> None:
    class Killed(BaseException):
        pass

    def kill(place: int, message: Message) -> Message:
        if message.metadata.message_type.endswith(step) and place == 2:
            raise Killed
        return message

    with pytest.raises(Killed):
        run(rounds(workspace, secure), kill)
    run(rounds(workspace, secure))
    assert [entry.details["round"] for entry in events(server, Event.ROUND_AGGREGATED)] == [1, 2]
    for name in SITES:
        assert [booking.round for booking in open_ledger(hospital(workspace, name)).bookings()] == [1, 2]
        assert [entry.details["counted"] for entry in of_site(workspace, name, Event.RECEIPT_CHECKED)] == [True, True]


def test_weights_that_are_not_those_of_the_log_are_not_gone_on_from(
    workspace: Workspace, server: Server, plain: Plan
) -> None:
    run(rounds(workspace, plain))
    server.home.momentum(plain.digest, 2).write_bytes(save(made(1)))
    with pytest.raises(IntegrityError, match="not what round 2 ended with"):
        rounds(workspace, plain)


def altered(message: Message, change: Callable[[dict[str, Any]], None]) -> Message:
    plan, fields = unpack_fields(message.content)
    changed = dict(fields)
    change(changed)
    content = pack_fields(plan, changed)
    return Message(content, dst_node_id=message.metadata.dst_node_id, message_type=message.metadata.message_type)


def test_a_server_that_shows_other_survivors_to_one_site_gets_no_shares(
    workspace: Workspace, server: Server, secure: Plan
) -> None:
    def lie(place: int, message: Message) -> Message:
        if message.metadata.message_type != "query.sign" or place:
            return message
        return altered(message, lambda fields: fields.update(inputs=[*fields["inputs"][:2], bytes(32)]))

    with pytest.raises(TrainingError, match="signed one and the same list"):
        run(rounds(workspace, secure), lie)
    assert not events(server, Event.ROUND_AGGREGATED)


def test_a_receipt_that_does_not_count_a_site_as_it_sent_is_refused_and_logged(
    workspace: Workspace, server: Server, secure: Plan
) -> None:
    def lie(place: int, message: Message) -> Message:
        if message.metadata.message_type != "query.receipt" or place:
            return message

        def change(fields: dict[str, Any]) -> None:
            receipt = read_receipt(server.keys.public, fields["document"])
            inputs = {**receipt.inputs, "north": receipt.inputs["river"]}
            fields["document"] = write_receipt(server.keys, receipt.model_copy(update={"inputs": inputs}))

        return altered(message, change)

    run(rounds(workspace, secure), lie)
    assert len(of_site(workspace, "north", Event.RUN_REFUSED)) == 2
    assert len(of_site(workspace, "north", Event.RECEIPT_CHECKED)) == 1  # the true one came with the next order
    assert len(of_site(workspace, "river", Event.RECEIPT_CHECKED)) == 2


def test_a_round_that_starts_from_another_model_than_the_receipt_says_is_refused(
    workspace: Workspace, server: Server, plain: Plan
) -> None:
    def lie(place: int, message: Message) -> Message:
        if message.metadata.message_type == "train" and unpack_order(message.content).round == 2:
            order = unpack_order(message.content)
            for array in order.weights.values():
                array.flags.writeable = True
            message.content["arrays"] = pack_reply(
                TrainReply(order.plan, 2, {name: array + 1 for name, array in order.weights.items()}), message
            ).content["arrays"]
        return message

    with pytest.raises(TrainingError, match=r"round 2: site 'north' refused \(code 7\)"):
        run(rounds(workspace, plain), lie)
    assert [booking.round for booking in open_ledger(hospital(workspace, "north")).bookings()] == [1]


def test_a_first_round_that_does_not_start_from_the_plans_own_start_is_refused_and_costs_nothing(
    workspace: Workspace, server: Server, plain: Plan
) -> None:
    lying = rounds(workspace, plain, start=lambda start: {name: one + np.float32(0.01) for name, one in start.items()})
    with pytest.raises(TrainingError, match=r"round 1: site 'north' refused \(code 7\)"):
        run(lying)
    for name in SITES:
        (refused,) = of_site(workspace, name, Event.RUN_REFUSED)
        assert refused.details["reason"] == "round 1 does not start from the plan's own start"
        assert open_ledger(hospital(workspace, name)).bookings() == []


def test_a_start_that_another_machine_made_may_differ_in_its_last_bits(
    workspace: Workspace, server: Server, plain: Plan
) -> None:
    other = rounds(
        workspace, plain, start=lambda start: {name: one * np.float32(1 + 1e-6) for name, one in start.items()}
    )
    run(other)
    assert last_finished(server, plain) is not None


def test_a_receipt_whose_start_is_not_where_the_round_before_ended_is_refused_by_a_site_that_was_away(
    workspace: Workspace, server: Server, encoder: Path
) -> None:
    """North is away in round 2, and gets the receipt of it with the order of round 3."""
    plan = agreed(workspace, plan_for(encoder, min_sites=2, round_seconds=1, rounds=3, sigma="8.0"))

    def lie(place: int, message: Message) -> Message | None:
        if place:
            return message
        kind, number = message.metadata.message_type, message.content["config"].get("round", 0)
        if (kind, number) == ("train", 2) or (kind == "query.receipt" and number > 1):
            return None
        if (kind, number) != ("train", 3):
            return message
        order = unpack_order(message.content)
        receipt = read_receipt(server.keys.public, order.receipt).model_copy(update={"start": "0" * 64})
        lied = pack_order(replace(order, receipt=write_receipt(server.keys, receipt)))
        return Message(lied, dst_node_id=message.metadata.dst_node_id, message_type=kind)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(federated.server_after, "_PATIENCE_S", 0.2)
        run(rounds(workspace, plan), lie)
    (refused,) = of_site(workspace, "north", Event.RUN_REFUSED)
    assert refused.details["reason"] == "round 2: the receipt names another start than this site was told"
    assert [booking.round for booking in open_ledger(hospital(workspace, "north")).bookings()] == [1]


RIVER = 1


def forged(change: Callable[[TrainReply], TrainReply]) -> Callable[[Message], RecordDict]:
    return lambda reply: pack_reply(change(unpack_reply(reply.content)), reply).content


def with_arrays(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Message], RecordDict]:
    def of(reply: TrainReply) -> TrainReply:
        return TrainReply(reply.plan, reply.round, {name: change(array) for name, array in reply.gradient.items()})

    return forged(of)


FAULTS = {
    "no reply of a site": lambda reply: RecordDict({}),
    "another plan or round": forged(lambda reply: TrainReply("ab" * 32, reply.round, reply.gradient)),
    "answers to another plan": forged(lambda reply: TrainReply(reply.plan, 9, reply.gradient)),
    "not finite": with_arrays(lambda array: array * np.float32("nan")),
    "not of one shape": with_arrays(lambda array: array.ravel()[:1]),
    "that is no reply": with_arrays(lambda array: array.astype(np.float64)),
}


def of_river(kind: str, change: Callable[[Message], RecordDict]) -> Forge:
    def forge(place: int, reply: Message) -> RecordDict | None:
        return change(reply) if place == RIVER and reply.metadata.message_type == kind else None

    return forge


def reasons(server: Server) -> list[str]:
    return [entry.details["reason"] for entry in events(server, Event.ROUND_FAILED)]


@pytest.mark.parametrize("why", FAULTS)
def test_a_faulty_site_is_left_out_alone_and_named_where_the_plan_bears_it(
    workspace: Workspace, server: Server, plain: Plan, why: str
) -> None:
    run(rounds(workspace, plain), forge=of_river("train", FAULTS[why]))
    rows = [json.loads(line) for line in server.home.rounds(plain.digest).read_text().splitlines()]
    assert [row["sites"] for row in rows] == [["north", "summit"]] * 2
    assert len(reasons(server)) == 2
    assert all("'river'" in reason and why in reason for reason in reasons(server))


def test_a_faulty_site_that_is_needed_ends_the_run_by_its_name(
    workspace: Workspace, server: Server, secure: Plan
) -> None:
    with pytest.raises(TrainingError, match=r"2 of 3 sites answered.*'river': a message that is no reply"):
        run(rounds(workspace, secure), forge=of_river("train", FAULTS["no reply of a site"]))
    assert last_finished(server, secure) is None


@pytest.mark.parametrize("step", ["advertise", "share", "mask", "sign", "unmask"])
def test_a_step_of_a_secure_sum_that_cannot_be_read_costs_one_attempt(
    workspace: Workspace, server: Server, secure: Plan, step: str
) -> None:
    faults = [RecordDict({})]
    first = of_river(f"query.{step}", lambda reply: faults.pop() if faults else reply.content)
    run(rounds(workspace, secure, tries=2), forge=first)
    assert f"{step}: 'river': a message that is no question, nor an answer" in reasons(server)
    receipt = read_receipt(server.keys.public, server.home.receipt(secure.digest, 1).read_bytes())
    assert (receipt.attempt, set(receipt.inputs)) == (2, set(SITES))


def test_an_answer_to_a_receipt_that_cannot_be_read_is_logged(
    workspace: Workspace, server: Server, plain: Plan
) -> None:
    run(rounds(workspace, plain), forge=of_river("query.receipt", lambda reply: RecordDict({})))
    assert reasons(server) == ["receipt: 'river': a message that is no question, nor an answer"] * 2


def with_fields(**changes: object) -> Callable[[Message], RecordDict]:
    def change(reply: Message) -> RecordDict:
        plan, fields = unpack_fields(reply.content)
        return pack_fields(plan, {**fields, **changes})

    return change


@pytest.mark.parametrize(
    ("step", "change", "missing"),
    [
        ("seen", lambda reply: RecordDict({}), {"north": ["river"], "river": [], "summit": ["river"]}),
        ("seen", with_fields(seen=[-1, 0, 0]), {"north": ["river"], "river": [], "summit": ["river"]}),
        ("head", with_fields(proof=[b""]), {"north": ["river"], "river": ["north", "summit"], "summit": ["river"]}),
        ("head", with_fields(root=b"short"), {"river": ["north", "summit"]}),
        ("cosign", with_fields(signature=b""), {"north": ["river"], "river": [], "summit": ["river"]}),
        ("cosign", with_fields(signature=[b"short", b"", b"short"]), {"north": ["river"], "summit": ["river"]}),
        ("attach", lambda reply: RecordDict({}), {"river": []}),
    ],
)
def test_a_site_that_cannot_cosign_is_left_out_alone(
    workspace: Workspace, server: Server, encoder: Path, step: str, change: Any, missing: dict[str, list[str]]
) -> None:
    watch_each_other(workspace)
    plan = agreed(workspace, plan_for(encoder, rounds=1, round_seconds=1))
    run(rounds(workspace, plan), forge=of_river(f"query.{step}", change))
    logged = [entry.details["missing"] for entry in events(server, Event.WITNESS_REFUSED)]
    assert logged == ([missing] if missing else [])
    for name in ("north", "summit"):
        assert of_site(workspace, name, Event.CHECKPOINT_COSIGNED)


def test_a_plan_is_trained_by_one_command_at_a_time(workspace: Workspace, server: Server, plain: Plan) -> None:
    late = rounds(workspace, plain)

    def meddle(place: int, message: Message) -> Message:
        with pytest.raises(TrainingError, match="being trained already"):
            run(late)
        return message

    run(rounds(workspace, plain), meddle)
    run(late)
    assert [entry.details["round"] for entry in events(server, Event.ROUND_AGGREGATED)] == [1, 2]


def lose(place: int, message: Message) -> Message | None:
    return None if message.metadata.message_type == "query.receipt" and not place else message


def test_a_site_that_missed_a_receipt_gets_it_with_the_next_order(
    workspace: Workspace, server: Server, plain: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(federated.server_after, "_PATIENCE_S", 0.2)
    run(rounds(workspace, plain), lose)
    assert [entry.details["round"] for entry in of_site(workspace, "north", Event.RECEIPT_CHECKED)] == [1]
    assert [booking.round for booking in open_ledger(hospital(workspace, "north")).bookings()] == [1, 2]


def test_a_site_that_is_kept_from_every_receipt_goes_no_further(
    workspace: Workspace, server: Server, plain: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def withhold(place: int, message: Message) -> Message | None:
        if message.metadata.message_type == "train" and not place:
            message.content["config"]["receipt"] = b""
        return lose(place, message)

    monkeypatch.setattr(federated.server_after, "_PATIENCE_S", 0.2)
    run(rounds(workspace, plain), withhold)
    assert [booking.round for booking in open_ledger(hospital(workspace, "north")).bookings()] == [1]
    (refused,) = of_site(workspace, "north", Event.RUN_REFUSED)
    assert refused.details["reason"] == "round 2 comes without the receipt of the round before"


def test_a_plan_with_rounds_left_that_cannot_do_without_a_site_is_unfinished(server: Server, plain: Plan) -> None:
    plain = plain.model_copy(update={"min_sites": 0})
    write_whole(server.home.agreed(plain.digest), canonical_json(plain.model_dump(mode="json")))
    assert not list(unfinished(server, plain.sites[0].name))  # nothing of it is lost yet
    write_whole(server.home.rounds(plain.digest), b'{"round": 1}\n')
    assert list(unfinished(server, plain.sites[0].name)) == [(plain, 1)]
    assert not list(unfinished(server, "stranger"))
    write_whole(server.home.rounds(plain.digest), b'{"round": 1}\n' * plain.rounds)
    assert not list(unfinished(server, plain.sites[0].name))
