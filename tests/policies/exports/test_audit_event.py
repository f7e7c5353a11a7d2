"""AuditEvents are FHIR R4 by fhir.resources, and BALP's where they say so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent

from policies.events import Entry, Event
from policies.exports.audit_event import audit_event, to_ndjson
from tests.policies.exports.conftest import PATIENT, entry

BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."


def codes(made: dict[str, Any]) -> list[str]:
    return [coding["code"] for coding in made["subtype"]]


def test_every_event_is_a_valid_audit_event(every: list[tuple[str, Entry]]) -> None:
    lines = to_ndjson(every).splitlines()
    assert len(lines) == len(Event)
    for (_, logged), line in zip(every, lines, strict=True):
        made = AuditEvent.model_validate_json(line)
        assert made.recorded.isoformat() == logged.time.replace(".000000", "")
        assert (made.outcome == "0") == (not logged.event.value.endswith(("refused", "denied", "failed")))
        assert [one.requestor for one in made.agent] == [True, False, False]
        assert made.agent[0].who.identifier.value == "alice"
        assert made.subtype[-1].code == logged.event


def test_a_valid_resource_is_told_from_an_invalid_one(every: list[tuple[str, Entry]]) -> None:
    made = audit_event(*every[0])
    del made["source"]
    with pytest.raises(ValueError, match="source"):
        AuditEvent.model_validate(made)


def kinds(made: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["type"]["code"], one["role"]["code"]) for one in made["entity"]]


@pytest.mark.parametrize("event", [Event.NOTE_VIEWED, Event.NOTE_EXTRACTED])
def test_a_view_is_balps_patient_read(event: Event) -> None:
    made = audit_event("north", entry(7, event, patient=PATIENT, record="d1", purpose="TREAT"))
    assert made["meta"]["profile"] == [f"{BALP}PatientRead"]
    assert (made["type"]["code"], codes(made)[0], made["action"], made["outcome"]) == ("rest", "read", "R", "0")
    user, server, client = made["agent"]
    roles = [one["type"]["coding"][0]["code"] for one in (user, server, client)]
    assert roles == ["IRCP", "110153", "110152"]
    assert "network" not in user and server["network"] and client["network"]
    assert user["purposeOfUse"][0]["coding"][0]["code"] == "TREAT" == made["purposeOfEvent"][0]["coding"][0]["code"]
    assert kinds(made)[:2] == [("1", "1"), ("2", "4")]
    assert [kind for kind, _ in kinds(made)].count("2") == 1
    assert made["entity"][0]["what"]["identifier"]["value"] == PATIENT
    assert made["source"]["observer"] == server["who"]


def test_a_disclosure_names_its_recipient_as_balp_wants() -> None:
    facts = {"patient": PATIENT, "recipient": "The registry", "what": "a report", "purpose": "HLEGAL"}
    made = audit_event("north", entry(7, Event.DISCLOSURE_MADE, **facts))
    assert made["meta"]["profile"] == [f"{BALP}PrivacyDisclosure.Source"]
    assert (made["type"]["code"], made["action"]) == ("110106", "R")
    assert codes(made)[0] == "disclose"
    source, recipient = made["agent"][1:]
    assert source["who"] == made["source"]["observer"]
    assert recipient["who"] == {"display": "The registry"}
    assert [kind for kind, _ in kinds(made)] == ["1", "2"]


def test_an_update_is_a_disclosure_of_nobody_by_name() -> None:
    made = audit_event("north", entry(7, Event.UPDATE_RELEASED, plan="p", round=1))
    assert "meta" not in made
    assert codes(made)[0] == "disclose"
    assert kinds(made) == [("2", "20")]


def test_details_stand_in_the_export_as_they_were_logged() -> None:
    made = audit_event("north", entry(7, Event.BUDGET_SPENT, epsilon="1.234", release={"sigma": "2.00"}))
    facts = {one["type"]: one["valueString"] for one in made["entity"][-1]["detail"]}
    assert facts == {"epsilon": "1.234", "release": '{"sigma":"2.00"}'}
    assert made["entity"][-1]["what"]["identifier"] == {"system": "urn:confide:log:north", "value": "7"}


def test_the_id_is_the_same_in_every_export_and_of_one_entry_only() -> None:
    ids = {audit_event(log, entry(number, Event.EVALUATED))["id"] for log in ("north", "river") for number in (1, 2)}
    assert len(ids) == 4
    assert audit_event("north", entry(1, Event.EVALUATED))["id"] in ids


def test_what_is_not_there_is_left_out() -> None:
    made = json.dumps(audit_event("north", entry(7, Event.PROCESS_STARTED)))
    for absent in ("purposeOfEvent", "purposeOfUse", "null", '"Patient"', "detail"):
        assert absent not in made
