"""De-identification of FHIR R4 resources by rule: what no rule names is dropped and counted (HL7 FHIR R4, 4.0.1)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from privacy.pseudonyms import Pseudonyms

OLDEST_AGE = 89
LONGEST_CODE = 64
_CODE = re.compile(r"[^\s]{1,64}")
_DATE = re.compile(r"(\d{4})(?:-\d{2}){0,2}(?:T.*)?")
_REFERENCE = re.compile(r"(?:.*/)?([A-Z][A-Za-z]{1,40})/([A-Za-z0-9.-]{1,64})(?:/_history/.*)?")
_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]{1,40})\?identifier=(.{1,300})")
_CODING = ("system", "version", "code", "display")
_UNIT = re.compile(r"\S{1,24}")
_KNOWN_SYSTEMS = (
    "http://hl7.org/",
    "http://terminology.hl7.org/",
    "http://snomed.info/",
    "http://loinc.org",
    "http://unitsofmeasure.org",
    "http://www.nlm.nih.gov/research/umls/",
    "http://www.ama-assn.org/go/cpt",
)


class _Dropped(Exception):
    """A value that no rule lets through."""


@dataclass(frozen=True)
class StructuredDeidentifier:
    """Applies the table to resources of one hospital.

    Args:
        pseudonyms: of this hospital.
        as_of: the year in which ages are counted.
    """

    pseudonyms: Pseudonyms
    as_of: int
    _rules: Mapping[str, Callable[[Any], Any]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        rules = {
            "keep": _kept, "concept": _concept, "coding": _coding, "quantity": _quantity, "area": _area,
            "reference": self._reference, "year": self._year, "birth_year": self._birth_year, "period": self._period,
        }  # fmt: skip
        object.__setattr__(self, "_rules", rules)

    def deidentify(self, resource: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        """The resource with its elements kept, generalised or pseudonymised, and how many elements were dropped.

        Raises:
            KeyError: the table does not know this type of resource.
        """
        kind = str(resource["resourceType"])
        rules = {k: r for k, r in _table()["resources"][kind].items() if k != "id"}
        content = {k: v for k, v in resource.items() if k not in ("resourceType", "id")}
        kept, dropped = self._elements(content, rules)
        return {"resourceType": kind, "id": self.pseudonyms.of(kind, str(resource["id"])), **kept}, dropped

    def _elements(self, value: Mapping[str, Any], rules: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        kept, dropped = {}, 0
        for name, inner in value.items():
            result, lost = self._element(inner, rules[name]) if name in rules else (None, 1)
            dropped += lost
            if result not in (None, [], {}):
                kept[name] = result
        return kept, dropped

    def _element(self, value: Any, rule: Any) -> tuple[Any, int]:
        if isinstance(value, list):
            results = [self._element(item, rule) for item in value if not isinstance(item, list)]
            return [r for r, _ in results if r not in (None, {})], sum(lost for _, lost in results)
        if isinstance(rule, Mapping):
            return self._elements(value, rule) if isinstance(value, Mapping) else (None, 1)
        try:
            return self._rules[rule](value), 0
        except (_Dropped, AttributeError, TypeError):
            return None, 1

    def _reference(self, value: Any) -> dict[str, str]:
        target = str(value.get("reference", ""))
        if found := _CONDITIONAL.fullmatch(target) or _REFERENCE.fullmatch(target):
            kind, name = found.groups()
            return {"reference": f"{kind}/{self.pseudonyms.of(kind, name)}"}
        raise _Dropped

    def _year(self, value: Any) -> str:
        year = _year_of(value)
        if not self.as_of - OLDEST_AGE <= year <= self.as_of:
            raise _Dropped
        return str(year)

    def _birth_year(self, value: Any) -> str:
        # All who may be 90 or more share one year.
        return str(max(_year_of(value), self.as_of - OLDEST_AGE - 1))

    def _period(self, value: Any) -> dict[str, str]:
        years = {}
        for end in ("start", "end"):
            if end in value:
                years[end] = self._year(value[end])
        return years


def known_types() -> frozenset[str]:
    """The resource types that the table knows."""
    return frozenset(_table()["resources"])


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(files("privacy").joinpath("tables/fhir.toml").read_text("utf-8"))


def _kept(value: Any) -> Any:
    if isinstance(value, str) and not _CODE.fullmatch(value):
        raise _Dropped
    if not isinstance(value, str | int | float):
        raise _Dropped
    return value


def _coding(value: Any) -> dict[str, Any]:
    if not 1 <= len(value.get("code") or "") <= LONGEST_CODE:
        raise _Dropped
    # A display is only the name of a code where a known code system stands behind it; elsewhere it is free text.
    known = str(value.get("system", "")).startswith(_KNOWN_SYSTEMS)
    elements = _CODING if known else ("system", "code")
    return {k: value[k] for k in elements if isinstance(value.get(k), str)}


def _concept(value: Any) -> dict[str, Any]:
    codings = [_coding(c) for c in value.get("coding", []) if c.get("code")]
    if not codings:
        raise _Dropped
    return {"coding": codings}


def _quantity(value: Any) -> dict[str, Any]:
    if not isinstance(value.get("value"), int | float):
        raise _Dropped
    words = {k: value[k] for k in ("comparator", "unit", "code") if _UNIT.fullmatch(str(value.get(k) or ""))}
    system = {"system": value["system"]} if str(value.get("system", "")).startswith(_KNOWN_SYSTEMS) else {}
    return {"value": value["value"], **words, **system}


def _area(value: Any) -> dict[str, str]:
    """State and ZIP3, which is 000 where few people live (45 CFR 164.514(b)(2)(i)(B))."""
    zip3 = re.fullmatch(r"(\d{3})\d{2}(?:-?\d{4})?", str(value.get("postalCode", "")))
    state = str(value.get("state", ""))
    area = {"state": state} if re.fullmatch(r"[A-Za-z .]{2,30}", state) else {}
    if zip3:
        area["postalCode"] = "000" if zip3.group(1) in _table()["small_zip3"] else zip3.group(1)
    return area


def _year_of(value: Any) -> int:
    found = _DATE.fullmatch(value)
    if not found:
        raise _Dropped
    return int(found.group(1))
