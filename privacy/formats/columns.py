"""De-identification of table rows by the rules of their columns; a column that no rule knows is dropped and counted."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path, PurePath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from policies.errors import InputError
from policies.files import table_of

if TYPE_CHECKING:
    from privacy.subject import Subject

# Rules whose columns leave nothing; all but `drop` say what is known of the patient.
SILENT = frozenset(("ssn", "account", "license", "health_plan", "street", "relative", "drop"))
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_NUMBER = re.compile(r"[<>=]{0,2} ?[+-]?\d{1,12}(?:\.\d{1,12})?(?:[eE][+-]?\d{1,2})? ?%?")
_SHORT = re.compile(r"[\w+/ -]{1,24}", re.ASCII)
_CODE = re.compile(r"[!-~µ°²³]{1,24}")
_TIME = re.compile(r"[T ]+(\d{1,2}:\d\d(?::\d\d)?)(?:\.\d+)?( ?[AaPp][Mm])?(Z| ?UTC|[+-]\d\d:?\d\d)?$")
_LAYOUTS = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%m/%d/%Y", "%m-%d-%Y", "%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%B %d, %Y")


@dataclass(frozen=True)
class ColumnRules:
    """Which rule each column falls under.

    Args:
        own: a hospital's rules by header, before those of the table.
        charset: of its tables; UTF-8 where none is said.
        file: where its rules stand, for messages.
    """

    own: Mapping[str, str] = field(default_factory=dict)
    charset: str = "utf-8"
    file: Path | None = None

    def rule(self, header: str) -> str | None:
        """The name of the rule of a column; None where nobody knows it."""
        return self.own[header] if header in self.own else _usual_rule(header)


def column_rules(path: Path | None = None) -> ColumnRules:
    """The rules of the table, and of a hospital's own TOML file: `charset` and `[columns]`, header = rule.

    Raises:
        InputError: the file cannot be read, or names what does not exist.
    """
    if path is None:
        return ColumnRules()
    try:
        own = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=path) from None
    except ValueError as error:  # what tomllib and the UTF-8 codec raise
        raise InputError(f"no TOML: {error}", file=path) from None
    columns, charset = own.pop("columns", {}), own.pop("charset", "utf-8")
    if own or not isinstance(columns, dict):
        raise InputError("only 'charset' and the table [columns] may stand here", file=path)
    for header, rule in columns.items():
        if rule not in rule_names():
            hint = f"Rules: {', '.join(sorted(rule_names()))}."
            raise InputError(f"the rule of column '{header}' does not exist", hint, file=path)
    try:
        "".encode(charset)
    except (LookupError, TypeError):
        raise InputError("the charset does not exist", "For instance: charset = 'cp1252'.", file=path) from None
    return ColumnRules(columns, charset, path)


def rule_names() -> frozenset[str]:
    """Every rule that a column may fall under."""
    return frozenset(row["rule"] for row in columns_table()["columns"])


def columns_table() -> Mapping[str, Any]:
    """The rules by the usual headers."""
    return table_of("privacy", "tables/columns")


def deidentify_row(row: Mapping[str, str], rules: ColumnRules, subject: Subject) -> tuple[dict[str, str], int]:
    """One row without the columns that must not leave, and how many values did not come through.

    Rows of one table keep the same columns in the same order, empty where a value is dropped.
    """
    known = {header: rule for header, value in row.items() if (rule := rules.rule(header))}
    values = _Values(row, known, subject)
    kept = {h: values.apply(rule, row[h].strip()) for h, rule in known.items() if rule not in SILENT}
    return kept, sum(bool(value.strip()) and not kept.get(header) for header, value in row.items())


def row_text(row: Mapping[str, str], rules: ColumnRules) -> str:
    """The free text of a row, column by column."""
    return "\n\n".join(value for header, value in row.items() if rules.rule(header) == "text" and value.strip())


def date_of(value: str) -> tuple[str, str]:
    """A date as tables write it, in FHIR's form, and the time behind it; months stand before days.

    Returns: two empty texts where it is no date.
    """
    found = _TIME.search(value)
    day, time = (value[: found.start()], found.group().strip(" T")) if found else (value, "")
    if re.fullmatch(r"\d{4}(?:-(?:0[1-9]|1[0-2]))?", day):
        return day, ""
    for layout in _LAYOUTS:
        try:
            return datetime.strptime(day, layout).date().isoformat(), time
        except ValueError:
            continue
    return "", ""


def person_name(value: str) -> tuple[str, list[str]]:
    """Family and given names of "Quill, Jane M" or "Jane M Quill", without titles."""
    first, comma, rest = value.partition(",")
    before, after = _name_words(first), _name_words(rest)
    if comma and after:
        return " ".join(before), after
    return (before[-1], before[:-1]) if before else ("", [])


class _Values:
    """The rules of the table, each from a value to what may leave, "" for nothing."""

    def __init__(self, row: Mapping[str, str], known: Mapping[str, str], subject: Subject) -> None:
        self._row, self._known, self._subject = row, known, subject
        code, area = subject.code, self._area
        self._rules: Mapping[str, Callable[[str], str | None]] = {
            "mrn": subject.identifier, "patient": lambda _: subject.pseudonym, "identifier": subject.identifier,
            "file": lambda v: code("Document", file_name(v)), "staff": lambda v: code("Practitioner", v),
            "organisation": self._organisation, "text": subject.text, "code": self._code, "keep": self._keep,
            "family": lambda v: self._name(v, self._all("given"))[0],
            "given": lambda v: self._name(self._all("family"), v)[1],
            "full_name": self._full_name, "date": self._date, "birth_date": self._birth_date, "age": self._age,
            "state": lambda _: area("state"), "city": lambda _: area("city"),
            "postal_code": lambda _: area("postalCode"), "email": lambda v: subject.telecom("email", v),
            "phone": lambda v: subject.telecom("phone", v), "fax": lambda v: subject.telecom("fax", v),
        }  # fmt: skip

    def apply(self, rule: str, value: str) -> str:
        """One value by the rule of its column."""
        return (self._rules[rule](value) or "") if value else ""

    def _all(self, rule: str) -> str:
        return " ".join(self._row[h].strip() for h, r in self._known.items() if r == rule)

    def _name(self, family: str, given: str) -> tuple[str, str]:
        person = self._subject.name(family, given.split())
        return (person[0], " ".join(person[1])) if person else ("", "")

    def _full_name(self, value: str) -> str:
        family, given = person_name(value)
        return " ".join(reversed(self._name(family, " ".join(given)))).strip()

    def _date(self, value: str) -> str:
        return _dated(value, self._subject.date)

    def _birth_date(self, value: str) -> str:
        return _dated(value, self._subject.birth_date)

    def _age(self, value: str) -> str:
        found = re.fullmatch(r"(\d{1,3})(?:\.\d+)?(?: ?(?:y|yo|yrs?|years?)(?: old)?)?", value, re.IGNORECASE)
        return str(self._subject.age(int(found.group(1)))) if found else ""

    def _area(self, element: str) -> str:
        kept = self._subject.area(self._all("state"), self._all("city"), self._all("postal_code"))
        return kept.get(element, "")

    def _organisation(self, value: str) -> str:
        replaced = self._subject.replaces_organisations
        return self._subject.code("Organization", value) if replaced else self._subject.text(value)

    def _code(self, value: str) -> str:
        codes = re.split(r"[;,|\s]+", value)
        several = len(codes) == 1 or all(re.search(r"\d", code) for code in codes)  # words are no list of codes
        return (
            value
            if several and all(map(_CODE.fullmatch, codes)) and not self._subject.find(value, tagged=False)
            else ""
        )

    def _keep(self, value: str) -> str:
        shaped = _NUMBER.fullmatch(value) or _SHORT.fullmatch(value)
        return value if shaped and not self._subject.find(value, tagged=False) else ""


def file_name(value: str) -> str:
    """The name of a file at the end of a path of any system."""
    return PurePath(PureWindowsPath(value.strip()).name).name


def _dated(value: str, rule: Callable[[str], str | None]) -> str:
    day, time = date_of(value)
    kept = (rule(day) or "") if day else ""
    return f"{kept} {time}" if time and len(kept) == len(day) else kept


def _name_words(value: str) -> list[str]:
    return [word for word in value.split() if word.strip(".").lower() not in columns_table()["titles"]]


@cache
def _usual_rule(header: str) -> str | None:
    words = _words(header)
    joined = "".join(words)
    for row in columns_table()["columns"]:
        if joined in _joined_names(row["rule"]):
            return str(row["rule"])
    for row in columns_table()["columns"]:
        if len(words) > 1 and words[-1] in row.get("endings", ()):
            return str(row["rule"])
    return None


@cache
def _joined_names(rule: str) -> frozenset[str]:
    rows = (row for row in columns_table()["columns"] if row["rule"] == rule)
    return frozenset("".join(_words(name)) for row in rows for name in row["names"])


def _words(header: str) -> Sequence[str]:
    return tuple(_lower_words(header))


def _lower_words(header: str) -> Iterator[str]:
    return (word.lower() for word in _WORDS.findall(header))
