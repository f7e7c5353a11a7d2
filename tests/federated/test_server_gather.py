"""A secure sum of four sites, of which one may be lost: nothing is unmasked that the plan forbids; it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import pytest
from flwr.app import Message

from federated.messages import pack_fields, unpack_fields
from federated.parties import SIMULATED_SITES, simulated_parties
from federated.receipt import write_receipt
from federated.recompute import recompute
from federated.secagg.survivors import survivors_statement
from federated.site_sum import SiteSum
from federated.sum_record import SumRecord
from policies.errors import InputError, IntegrityError, TrainingError
from policies.events import Event
from policies.files import sha256_hex
from policies.guard import open_server
from policies.workspace import WORKSPACE_VARIABLE, Workspace
from privacy.training.budget import open_ledger
from tests.federated.four import FOUR, reasons, receipt_of, secure_plan, train
from tests.federated.hospitals import hospital

pytestmark = pytest.mark.usefixtures("flower")
ALDER = 0


@pytest.fixture
def hospitals(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(workspace.root))
    monkeypatch.setenv(SIMULATED_SITES, ",".join(FOUR))
    open_server(workspace)
    for name in FOUR:
        hospital(workspace, name)
    return workspace


def lost(step: str, times: int = 1) -> tuple[list[str], Callable[[int, Message], Message | None]]:
    """What was asked, and a way on which alder does not hear the first questions of a step."""
    asked = list[str]()

    def lose(place: int, message: Message) -> Message | None:
        kind = message.metadata.message_type.removeprefix("query.")
        asked.append(kind)
        return None if place == ALDER and kind == step and asked.count(step) <= times * len(FOUR) else message

    return asked, lose


def test_a_sum_of_fewer_sites_than_the_plan_needs_is_not_even_signed_and_the_next_attempt_is_of_all(
    hospitals: Workspace, encoder: Path
) -> None:
    """Three of four would be enough for the protocol, and not for this plan."""
    plan = secure_plan(hospitals, encoder)
    asked, lose = lost("mask")
    train(hospitals, plan, lose, tries=2)
    first = asked[: len(asked) - asked[::-1].index("advertise") - 1]  # up to the second attempt
    assert "mask" in first
    assert "sign" not in first
    receipt = receipt_of(hospitals, plan)
    assert (receipt.attempt, receipt.inputs.keys()) == (2, FOUR.keys())


def test_after_shares_were_revealed_a_round_goes_on_with_the_same_sites_alone(
    hospitals: Workspace, encoder: Path
) -> None:
    """The server is killed in the middle of unmasking a sum without alder, who is there again afterwards."""
    plan, there = secure_plan(hospitals, encoder, min_sites=3), set(FOUR) - {"alder"}

    class Killed(BaseException):
        pass

    def kill(place: int, message: Message) -> Message:
        if message.metadata.message_type == "query.unmask" and place == len(FOUR) - 1:
            raise Killed
        return message

    with pytest.raises(Killed):
        train(hospitals, plan, kill, absent=("alder",))
    train(hospitals, plan, lambda place, message: message)
    receipt = receipt_of(hospitals, plan)
    assert (receipt.attempt, set(receipt.inputs)) == (2, there)
    assert open_ledger(hospital(hospitals, "alder")).bookings() == []  # not asked for what could not be counted


def test_a_server_put_back_from_before_a_receipt_does_the_rounds_again_over_the_same_updates(
    hospitals: Workspace, encoder: Path, tmp_path: Path
) -> None:
    plan, home = secure_plan(hospitals, encoder, rounds=2), open_server(hospitals).home
    copytree(home.root, tmp_path / "backup")
    train(hospitals, plan, lambda place, message: message)
    before = receipt_of(hospitals, plan, 2)
    rmtree(home.root)
    copytree(tmp_path / "backup", home.root)
    train(hospitals, plan, lambda place, message: message, tries=2)  # attempt 1 was begun at the sites
    after = receipt_of(hospitals, plan, 2)
    assert (before.attempt, after.attempt, before.model) == (1, 2, after.model)
    for name in FOUR:
        assert reasons(hospitals, name, Event.RUN_REFUSED) == []
        assert [booking.round for booking in open_ledger(hospital(hospitals, name)).bookings()] == [1, 2]


def without_alder(message: Message) -> Message:
    """The list of survivors as a server shows it that leaves one out."""
    about, fields = unpack_fields(message.content)
    rows = [row for row in zip(fields["inputs_of"], fields["inputs"], strict=True) if row[0] != ALDER]
    places, inputs = map(list, zip(*rows, strict=True))
    content = pack_fields(about, {**fields, "inputs_of": places, "inputs": inputs})
    return Message(content, dst_node_id=message.metadata.dst_node_id, message_type="query.sign")


HEAVY = {"alder": "0.1", "north": "0.1", "river": "0.1", "summit": "0.7"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, "a secure sum of 3 of the plan's sites, where 4 are needed"),
        ({"min_sites": 3, "weights": HEAVY}, "'summit' has 0.78 of the weight"),
    ],
    ids=["sites", "weight"],
)
def test_a_site_signs_no_list_that_the_plan_forbids(
    hospitals: Workspace, encoder: Path, changes: dict[str, Any], why: str
) -> None:
    """A server that leaves out alder, whose masked input it has: three of four are enough for the protocol."""
    plan = secure_plan(hospitals, encoder, **changes)

    def lie(place: int, message: Message) -> Message:
        honest = message.metadata.message_type != "query.sign" or place == ALDER
        return message if honest else without_alder(message)

    with pytest.raises(TrainingError, match="signed one and the same list"):
        train(hospitals, plan, lie)
    for name in FOUR.keys() - {"alder"}:
        assert why in reasons(hospitals, name)[-1]


def test_a_receipt_with_other_vectors_of_others_than_were_signed_for_is_refused(
    hospitals: Workspace, encoder: Path
) -> None:
    plan = secure_plan(hospitals, encoder)
    keys = open_server(hospitals).keys

    def lie(place: int, message: Message) -> Message:
        if message.metadata.message_type != "query.receipt" or place == ALDER:
            return message
        receipt = receipt_of(hospitals, plan)
        other = receipt.model_copy(update={"inputs": {**receipt.inputs, "alder": "ab" * 32}})
        content = pack_fields(plan.digest, {"round": 1, "document": write_receipt(keys, other)})
        return Message(content, dst_node_id=message.metadata.dst_node_id, message_type="query.receipt")

    train(hospitals, plan, lie)
    for name in FOUR.keys() - {"alder"}:
        assert "is not this list of survivors" in reasons(hospitals, name, Event.RUN_REFUSED)[-1]
    assert reasons(hospitals, "alder", Event.RUN_REFUSED) == []


def test_a_receipt_that_enough_others_signed_for_and_this_site_did_not_is_refused(
    hospitals: Workspace, encoder: Path
) -> None:
    plan = secure_plan(hospitals, encoder)
    train(hospitals, plan, lambda place, message: message)
    receipt = receipt_of(hospitals, plan)
    north = SiteSum(hospital(hospitals, "north"), plan, 1, receipt.attempt)
    north.check_list(receipt.inputs, receipt.signatures)
    other = {**receipt.inputs, "alder": "ab" * 32}
    session, places = north.protocol.session, {place: bytes.fromhex(one) for place, one in enumerate(other.values())}
    assert list(other) == list(FOUR)
    statement = survivors_statement(session, places)
    signatures = {name: hospital(hospitals, name).keys.sign(statement).hex() for name in FOUR if name != "north"}
    with pytest.raises(IntegrityError, match="counts other vectors than this site signed for"):
        north.check_list(other, signatures)
    with pytest.raises(IntegrityError, match="not signed by enough sites"):
        north.check_list(receipt.inputs, dict(list(receipt.signatures.items())[:2]))


def test_a_round_says_how_much_one_patient_moves_it(hospitals: Workspace, encoder: Path) -> None:
    plan = secure_plan(hospitals, encoder, min_sites=3)
    train(hospitals, plan, lambda place, message: message, absent=("alder",))
    stated = receipt_of(hospitals, plan).sensitivity
    third = float(plan.clip) / (float(plan.sampling_rate) * 10) / 3  # of three sites of one weight
    assert stated == dict.fromkeys(("north", "river", "summit"), f"{third:.6g}")


@pytest.fixture
def summed(hospitals: Workspace, encoder: Path) -> Any:
    """A plan of two rounds, of whose first alder drops out after it shared its keys."""
    plan = secure_plan(hospitals, encoder, min_sites=3, rounds=2)
    train(hospitals, plan, lost("mask")[1])
    assert [len(receipt_of(hospitals, plan, number).inputs) for number in (1, 2)] == [3, 4]
    return plan


def test_an_auditor_does_the_sums_again_and_sees_what_was_altered(hospitals: Workspace, summed: Any) -> None:
    server, parties = open_server(hospitals), simulated_parties(hospitals, list(FOUR))
    assert recompute(server.home, parties, summed) == 2
    record = SumRecord(server.home, summed.digest, 1)
    assert record.opened().keys.keys() == {ALDER}
    vector, place = record.vector("river"), server.home.masked(summed.digest, 1, "river")
    place.write_bytes(vector[:-1] + bytes([vector[-1] ^ 1]))
    with pytest.raises(IntegrityError, match="the vector of 'river' is not the one that was signed for"):
        recompute(server.home, parties, summed)
    place.write_bytes(vector)
    kept = record.opened()
    for other in (replace(kept, keys={ALDER: bytes(32)}), replace(kept, seeds={**kept.seeds, 1: bytes(32)})):
        record.open(other)
        with pytest.raises(IntegrityError, match="do not give back what it advertised"):
            recompute(server.home, parties, summed)
    record.open(kept)
    server.home.masked(summed.digest, 1, "north").unlink()
    with pytest.raises(InputError, match="is not there"):
        recompute(server.home, parties, summed)


def test_an_auditor_sees_a_model_that_is_not_the_sum(hospitals: Workspace, summed: Any) -> None:
    server, parties = open_server(hospitals), simulated_parties(hospitals, list(FOUR))
    receipt = receipt_of(hospitals, summed, 2).model_copy(update={"model": sha256_hex(b"another")})
    server.home.receipt(summed.digest, 2).write_bytes(write_receipt(server.keys, receipt))
    with pytest.raises(IntegrityError, match="round 2: what the sites sent gives another model than the receipt says"):
        recompute(server.home, parties, summed)
