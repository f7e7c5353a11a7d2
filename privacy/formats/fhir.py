"""De-identification of FHIR resources by rule: what no rule names is dropped and counted (HL7 FHIR R4 and R5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from privacy.formats.fhir_notes import attached_text, contained_in, narrative_text, plain_attachment
from privacy.formats.fhir_rules import Rule, fhir_table, known_types, reference_types, rules_of, rules_of_type
from privacy.formats.narrative import xhtml

if TYPE_CHECKING:
    from privacy.subject import Subject

MASKED = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]}
IDENTIFIER = "urn:confide:identifier:"
CODE_SYSTEM = "urn:confide:system:"
LARGEST_INTEGER = 2**31
LARGEST_NUMBER = 1e15
_CODE = re.compile(r"[a-z][a-z-]{0,39}(?:-[A-Z]{2})?|[A-Z]{1,8}(?:\.[a-z]{1,8})?|[<>]=?")
_PUBLIC_CODE = re.compile(r"[A-Za-z0-9][\w.+/:|{}\[\]%*^-]{0,63}|[%{\[]\S{0,63}")
_LOCAL_CODE = re.compile(r"(?!.*\d{6})(?=.{1,64}$)\S+(?: \S+)*")
_DATE = re.compile(r"\d{4}(?:-\d\d(?:-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?)?)?")
_TIME = re.compile(r"\d\d:\d\d(:\d\d(\.\d+)?)?")
_COUNTRY = re.compile(r"[A-Z]{2,3}")
_REFERENCE = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/([^/?#|\s]{1,128})(?:/_history/[^/]*)?")
_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]+)\?identifier=(?:[^|]*\|)?([^|&]{1,200})")
_URN = re.compile(r"urn:(?:uuid|oid):(\S{1,128})")


def deidentify_resource(resource: Mapping[str, Any], subject: Subject) -> tuple[dict[str, Any], int]:
    """The resource with its elements kept, generalised, replaced or pseudonymised, and how many were dropped.

    Attachments must hold their text as `plain_attachment` writes it; others are dropped.

    Raises:
        KeyError: the table does not know this type of resource, or the resource has no id.
        ValueError: it is nested too deeply to be a FHIR resource.
    """
    walk = _Walk(subject, frozenset(str(c.get("id")) for c in contained_in(resource)))
    try:
        result = walk.resource(resource, subject.code(str(resource["resourceType"]), str(resource["id"])))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return result, walk.dropped


class _Walk:
    """One resource on its way out; counts what is dropped."""

    def __init__(self, subject: Subject, contained: frozenset[str]) -> None:
        self.subject, self.contained_ids = subject, contained
        self.dropped = 0
        self._texts: dict[str, str] = {}

    def resource(self, value: Mapping[str, Any], code: str) -> dict[str, Any]:
        content = {k: v for k, v in value.items() if k not in ("resourceType", "id")}
        kind = str(value["resourceType"])
        return {"resourceType": kind, "id": code, **self.fields(content, rules_of(kind))}

    def fields(self, value: Mapping[str, Any], rules: Mapping[str, Rule]) -> dict[str, Any]:
        if "valueQuantity" in rules and any(code in fhir_table()["ages"] for code in _codes_of(value.get("code"))):
            rules = {**rules, **dict.fromkeys(("valueQuantity", "valueInteger", "valueString", "valueRange"), _AGE)}
        kept: dict[str, Any] = {}
        for name, inner in value.items():
            rule = rules.get(name) or (_PRIMITIVE if name[:1] == "_" and name[1:] in rules else None)
            if rule is None:
                self.dropped += 1
                continue
            result = self.value(inner, rule)
            if not _is_empty(result):
                kept[name] = result
            elif rule.required and not _is_empty(inner):
                kept.update(_masked(name, inner))
        return kept

    def value(self, value: Any, rule: Rule) -> Any:
        """What may leave of an element; None, {} or [] where nothing may."""
        if isinstance(value, list):
            return [result for item in value if not _is_empty(result := self._one(item, rule))]
        return self._one(value, rule)

    def _one(self, value: Any, rule: Rule) -> Any:
        if isinstance(value, dict) and (fields := rule.fields(value)) is not None:
            return self.fields(value, fields)
        method = next((m for leaf in rule.leaves if (m := _METHODS.get((leaf, type(value))))), None)
        result = method(self, value) if method else None
        if result is None:
            self.dropped += 1
        return result

    def text(self, value: str, tagged: bool = True) -> str | None:
        if value not in self._texts:  # a display and the text beside it are mostly one
            self._texts[value] = self.subject.text(value, tagged) if value.strip() else ""
        return self._texts[value] or None

    def public(self, code: str) -> bool:
        """A code of a public list: of the shape of one, and nothing that a rule or the patient's record would find."""
        return bool(_PUBLIC_CODE.fullmatch(code)) and (code.isdigit() or not self.subject.find(code, tagged=False))

    def label(self, value: str) -> str | None:
        """A short code of nobody's list, which must hold nothing that text would lose."""
        return value if _LOCAL_CODE.fullmatch(value) and self.text(value, tagged=False) == value else None

    def date(self, value: str) -> str | None:
        return self.subject.date(value) if _DATE.fullmatch(value) else None

    def period(self, value: dict[str, Any]) -> dict[str, Any]:
        return self.fields(value, rules_of_type("Period"))

    def birth_date(self, value: str) -> str | None:
        return self.subject.birth_date(value) if _DATE.fullmatch(value) else None

    def instant(self, value: str) -> str | None:
        return self.subject.instant(value) if _DATE.fullmatch(value) else None

    def organisation(self, value: str) -> str | None:
        return None if self.subject.replaces_organisations else self.text(value)

    def coded(self, value: dict[str, Any]) -> dict[str, Any] | None:
        """A Coding, CodeableConcept, CodeableReference or Reference, by its shape."""
        if "code" in value:
            return self._coding(value)
        if isinstance(value.get("reference"), str) or "identifier" in value:
            return self.reference(value)
        return self.fields(value, rules_of_type("Concept"))

    def _coding(self, value: dict[str, Any]) -> dict[str, Any] | None:
        system, code = value.get("system"), value.get("code")
        public = isinstance(system, str) and _is_known(system)
        if not isinstance(code, str) or not (self.public(code) if public else self.label(code)):
            return None
        kept: dict[str, Any] = {"code": code}
        if isinstance(system, str):
            kept["system"] = system if public else CODE_SYSTEM + self.subject.code("CodeSystem", system)
        if isinstance(value.get("display"), str) and (display := self.text(value["display"], tagged=not public)):
            kept["display"] = display
        return self._counted(value, kept)

    def reference(self, value: dict[str, Any]) -> dict[str, Any] | None:
        if "concept" in value or isinstance(value.get("reference"), dict):
            return self.fields(value, rules_of_type("Concept"))
        target, kind = value.get("reference"), str(value.get("type", ""))
        kind = kind if kind in reference_types() else ""
        kept = self._target(target, kind) if isinstance(target, str) else None
        if kept is None and isinstance(value.get("identifier"), dict) and kind != "Patient":
            identifier = self.identifier(value["identifier"])
            kept = {"identifier": identifier} if identifier else None
        if kept is None:
            return None
        return self._counted(value, {**({"type": kind} if kind else {}), **kept})

    def _target(self, target: str, kind: str) -> dict[str, Any] | None:
        """Where a reference points to: a contained resource, an identifier, or a type and an id."""
        if target.startswith("#"):
            known = target[1:] in self.contained_ids
            return {"reference": "#" + self.subject.code("contained", target[1:])} if known else None
        if found := _CONDITIONAL.fullmatch(target):
            if found[1] == "Patient" or found[1] not in reference_types() or not _has_content(found[2]):
                return None
            identifier = {"system": IDENTIFIER + "other", "value": self.subject.identifier(found[2])}
            return {"type": found[1], "identifier": identifier}
        if found := _URN.fullmatch(target):
            name = found[1] if kind else ""
        elif found := _REFERENCE.fullmatch(target):
            kind, name = found.groups()
        if not found or not name or kind not in reference_types():
            return None
        code = self.subject.code(kind, name)
        return None if kind == "Patient" and code != self.subject.pseudonym else {"reference": f"{kind}/{code}"}

    def identifier(self, value: dict[str, Any]) -> dict[str, Any] | None:
        number = value.get("value")
        if not isinstance(number, str) or not _has_content(number):
            return None
        kept: dict[str, Any] = {"value": self.subject.identifier(number)}
        type_ = self.coded(value["type"]) if isinstance(value.get("type"), dict) else None
        codes = [code for code in _codes_of(type_) if _CODE.fullmatch(code)]
        kept["system"] = IDENTIFIER + (codes[0] if codes else "other")
        return self._counted(value, {**_codes(value, "use"), **({"type": type_} if type_ else {}), **kept})

    def address(self, value: dict[str, Any]) -> dict[str, Any] | None:
        parts = (str(value.get(k) or "") for k in ("state", "city", "postalCode"))
        country = value.get("country")
        kept = {**_codes(value, "use", "type"), **self.subject.area(*parts)}
        if isinstance(country, str) and _COUNTRY.fullmatch(country):
            kept["country"] = country
        return self._counted(value, kept) if kept else None

    def name(self, value: dict[str, Any]) -> dict[str, Any] | None:
        words = str(value.get("text") or "").split()
        given = [g for g in value.get("given") or words[:-1] if isinstance(g, str)]
        name = self.subject.name(str(value.get("family") or "".join(words[-1:])), given)
        return self._counted(value, {**_codes(value, "use"), "family": name[0], "given": name[1]}) if name else None

    def telecom(self, value: dict[str, Any]) -> dict[str, Any] | None:
        system = _codes(value, "system")
        made_up = self.subject.telecom(system.get("system", ""), str(value.get("value") or ""))
        return self._counted(value, {**_codes(value, "use"), **system, "value": made_up}) if made_up else None

    def quantity(self, value: dict[str, Any], unit: str = "") -> dict[str, Any] | None:
        """A Quantity; one that is counted in years, months or days may be an age."""
        number = value.get("value")
        if not isinstance(number, int | float) or not abs(number) < LARGEST_NUMBER:
            return self.fields(value, rules_of_type("Range")) if number is None else None
        units = [str(value[k]) for k in ("code", "unit") if isinstance(value.get(k), str)] or [unit]
        factor = next((f for u in units if (f := fhir_table()["years"].get(u.lower()))), None)
        if factor and (age := self.subject.age(int(number * factor))) != int(number * factor):
            return {"value": age, "unit": "a", "system": "http://unitsofmeasure.org", "code": "a"}
        system = value.get("system")
        kept = {k: value[k] for k in ("unit", "code") if isinstance(value.get(k), str) and self.label(value[k])}
        if "code" in kept and isinstance(system, str) and _is_known(system):
            kept["system"] = system
        return self._counted(value, {"value": number, **_codes(value, "comparator", "currency"), **kept})

    def age(self, value: dict[str, Any]) -> dict[str, Any] | None:
        if "value" in value:
            return self.quantity(value, "a")
        return self.fields(value, rules_of_type("AgeRange"))

    def age_in_words(self, value: str) -> str | None:
        return str(self.subject.age(int(value))) if value.isdecimal() and len(value) < 4 else self.text(value)

    def narrative(self, value: dict[str, Any]) -> dict[str, Any] | None:
        text = self.text(narrative_text(value.get("div")))
        if not text:
            return None
        return self._counted(value, {"status": "additional", **_codes(value, "status"), "div": xhtml(text)})

    def attachment(self, value: dict[str, Any]) -> dict[str, Any] | None:
        text = self.text(attached_text(value))
        if not text:
            return None
        creation = self.date(str(value.get("creation")))
        kept = {**plain_attachment(text), **_codes(value, "language"), **({"creation": creation} if creation else {})}
        return self._counted(value, kept)

    def contained(self, value: dict[str, Any]) -> dict[str, Any] | None:
        if str(value.get("resourceType")) not in known_types():
            return None
        return self.resource(value, self.subject.code("contained", str(value.get("id"))))

    def extension(self, value: dict[str, Any]) -> dict[str, Any] | None:
        return self.part(value) if value.get("url") in fhir_table()["known_extensions"] else None

    def part(self, value: dict[str, Any]) -> dict[str, Any]:
        """A known extension, or what stands in one under a name that is no URL."""
        kept = self.fields({k: v for k, v in value.items() if k != "url"}, rules_of_type("Extension"))
        return {"url": value["url"], **kept} if kept else {}

    def _counted(self, value: Mapping[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
        """Adds the elements of an object that were not kept to the count."""
        self.dropped += len(value.keys() - kept.keys())
        return kept


def _code(_: _Walk, value: str) -> str | None:
    return value if _CODE.fullmatch(value) else None


def _time(_: _Walk, value: str) -> str | None:
    return value if _TIME.fullmatch(value) else None


def _canonical(_: _Walk, value: str) -> str | None:
    return value if _is_known(value) and not re.search(r"\s", value) else None


def _number(_: _Walk, value: float) -> float | None:
    return value if abs(value) < LARGEST_INTEGER else None


def _part(walk: _Walk, value: dict[str, Any]) -> dict[str, Any] | None:
    return walk.part(value) if value.get("url") in fhir_table()["known_parts"] else None


_METHODS: Mapping[tuple[str, type], Callable[[_Walk, Any], Any]] = {
    ("keep", str): _code,
    ("keep", bool): _number,
    ("keep", int): _number,
    ("keep", float): _number,
    ("label", str): _Walk.label,
    ("time", str): _time,
    ("canonical", str): _canonical,
    ("text", str): _Walk.text,
    ("organisation", str): _Walk.organisation,
    ("date", str): _Walk.date,
    ("date", dict): _Walk.period,
    ("birth_date", str): _Walk.birth_date,
    ("instant", str): _Walk.instant,
    ("age", str): _Walk.age_in_words,
    ("age", int): lambda walk, value: walk.subject.age(value),
    ("age", dict): _Walk.age,
    ("coded", dict): _Walk.coded,
    ("reference", dict): _Walk.reference,
    ("identifier", dict): _Walk.identifier,
    ("address", dict): _Walk.address,
    ("name", dict): _Walk.name,
    ("telecom", dict): _Walk.telecom,
    ("quantity", dict): _Walk.quantity,
    ("narrative", dict): _Walk.narrative,
    ("attachment", dict): _Walk.attachment,
    ("contained", dict): _Walk.contained,
    ("extension", dict): _Walk.extension,
    ("part", dict): _part,
}
_AGE = Rule(("age",))
_PRIMITIVE = Rule(inner={"extension": Rule(("extension",))})  # of `_birthDate` and the like


def _masked(name: str, value: Any) -> dict[str, Any]:
    """A required element that may not leave, in a form that FHIR takes for it."""
    other = fhir_table()["masks"].get(name, name)
    if other.endswith("String"):
        return {other: "masked"}
    if isinstance(value, list):
        return {other: [MASKED]}
    return {other: MASKED} if isinstance(value, dict) or other != name else {f"_{name}": MASKED}


def _is_empty(value: Any) -> bool:
    return value is None or value in ([], {})


@lru_cache(maxsize=256)
def _is_known(system: str) -> bool:
    return any(
        system.startswith(known) if known[-1] in "/.:" else system == known for known in fhir_table()["known_systems"]
    )


def _codes_of(concept: Any) -> list[str]:
    codings = concept.get("coding") if isinstance(concept, dict) else None
    return [str(c.get("code")) for c in codings if isinstance(c, dict)] if isinstance(codings, list) else []


def _has_content(value: str) -> bool:
    return any(character.isalnum() for character in value)


def _codes(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {n: value[n] for n in names if isinstance(value.get(n), str) and _CODE.fullmatch(value[n])}
