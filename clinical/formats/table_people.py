"""The people whom a row of a table names, in the shape of FHIR resources."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from privacy.formats.columns import ColumnRules, date_of, person_name

_TYPES = {"mrn": "MR", "ssn": "SS", "account": "AN", "license": "DL", "health_plan": "MB", "identifier": ""}
_TELECOM = ("phone", "fax", "email")
_GENDERS = {"f": "female", "female": "female", "m": "male", "male": "male"}


def patient_id_of(row: Mapping[str, str], rules: ColumnRules) -> str:
    """Whose row it is: the id of the table's own patients, else the medical record number; "" where none is there."""
    for rule, prefix in (("patient", "csv"), ("mrn", "mrn")):
        for value in _values(row, rules, rule):
            return f"{prefix}:{value}"
    return ""


def patient_of(row: Mapping[str, str], rules: ColumnRules) -> dict[str, Any]:
    """What one row says of its patient."""
    facts: dict[str, Any] = {
        "resourceType": "Patient",
        "name": list(_names(row, rules)),
        "identifier": [
            {**({"type": {"coding": [{"code": code}]}} if code else {}), "value": value}
            for rule, code in _TYPES.items()
            for value in _values(row, rules, rule)
        ],
        "telecom": [{"system": rule, "value": value} for rule in _TELECOM for value in _values(row, rules, rule)],
        "address": list(_addresses(row, rules)),
        "birthDate": next((day for v in _values(row, rules, "birth_date") if (day := date_of(v)[0])), ""),
        "gender": next((_GENDERS[v] for h in row if _is_gender(h) and (v := row[h].strip().lower()) in _GENDERS), ""),
        "contact": [{"name": _person(value)} for value in _values(row, rules, "relative")],
        "generalPractitioner": [{"display": v} for v in _values(row, rules, "staff") if not _is_number(v)],
    }
    return {key: value for key, value in facts.items() if value}


def others_of(row: Mapping[str, str], rules: ColumnRules) -> Iterator[dict[str, Any]]:
    """Relatives and staff whom one row names."""
    for value in _values(row, rules, "relative"):
        yield {"resourceType": "RelatedPerson", "name": [_person(value)]}
    for value in _values(row, rules, "staff"):
        known = {"identifier": [{"value": value}]} if _is_number(value) else {"name": [_person(value)]}
        yield {"resourceType": "Practitioner", **known}


def _names(row: Mapping[str, str], rules: ColumnRules) -> Iterator[dict[str, Any]]:
    given = [word for value in _values(row, rules, "given") for word in value.split()]
    families = list(_values(row, rules, "family"))
    for family in families or [""] * bool(given):
        yield {key: value for key, value in (("family", family), ("given", given)) if value}
    for value in _values(row, rules, "full_name"):
        yield _person(value)


def _addresses(row: Mapping[str, str], rules: ColumnRules) -> Iterator[dict[str, Any]]:
    address: dict[str, Any] = {"line": list(_values(row, rules, "street"))}
    for rule, element in (("city", "city"), ("state", "state"), ("postal_code", "postalCode")):
        address[element] = next(_values(row, rules, rule), "")
    if any(address.values()):
        yield {key: value for key, value in address.items() if value}


def _person(value: str) -> dict[str, Any]:
    family, given = person_name(value)
    return {key: value for key, value in (("family", family), ("given", given)) if value}


def _values(row: Mapping[str, str], rules: ColumnRules, rule: str) -> Iterator[str]:
    return (value.strip() for header, value in row.items() if value.strip() and rules.rule(header) == rule)


def _is_number(value: str) -> bool:
    return any(character.isdigit() for character in value)


def _is_gender(header: str) -> bool:
    return re.fullmatch(r"(?:sex|gender)", header.strip(), re.IGNORECASE) is not None
