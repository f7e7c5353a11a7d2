"""Write a visit down as a busy person would: a style, its sections, and identifiers all over the text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any

from clinical.synthetic.people import PRONOUNS, Person, digits, name, phone
from clinical.synthetic.story import Story, phrase, story
from clinical.synthetic.tables import Condition, Style, styles, table

# Share of notes that name their own condition; learning would be string matching if it were large.
NAMED_SHARE = 0.06


@dataclass(frozen=True)
class Note:
    """A written note with its LOINC type and its author."""

    text: str
    loinc: str
    kind: str
    author: str
    style: str


@dataclass(frozen=True)
class Visit:
    """A day at a hospital for a condition, and the day when the patient first came for it."""

    condition: Condition
    hospital: Mapping[str, Any]
    day: date
    first_day: date


class Pen:
    """One author writing one note: fills templates with the facts of the patient, the visit and the place."""

    def __init__(self, rng: Random, style: Style, facts: Mapping[str, str], patient: Person) -> None:
        self.rng, self.style, self.facts, self.patient = rng, style, facts, patient
        self.templates = table("note_styles")

    def fill(self, options: Sequence[str], **more: str) -> str:
        """One of the templates, filled in."""
        return phrase(self.rng, options, self.patient, **self.facts, **more)

    def voiced(self, kind: str, **more: str) -> str:
        """A template of a kind in the voice of the style."""
        return self.fill(self.templates[kind][self.style.voice], **more)

    def join(self, items: Sequence[str], last: str = "and") -> str:
        """Items as busy people chain them."""
        if len(items) < 2 or self.rng.random() < 0.4:
            return ", ".join(items)
        return ", ".join(items[:-1]) + f" {last} {items[-1]}"


def day(rng: Random, value: date) -> str:
    """A date in one of the forms found in notes."""
    forms = ("%m/%d/%Y", "%m/%d/%y", "%B {d}, %Y", "%d-%b-%y", "%Y-%m-%d", "%b {d}, %Y")
    return value.strftime(rng.choices(forms, (5, 2, 3, 2, 2, 1))[0]).replace("{d}", str(value.day))


def _ages(rng: Random, patient: Person, age: int) -> dict[str, str]:
    sex = ("woman", "female", "lady") if patient.female else ("man", "male", "gentleman")
    letter = "F" if patient.female else "M"
    return {
        "age": rng.choice((f"{age}-year-old", f"{age} year old", f"{age} y/o", f"{age} yo")),
        "age_short": rng.choice((f"{age}{letter}", f"{age} yo {letter}", f"{age}y/o {letter}")),
        "age_years": str(age),
        "sex": rng.choice(sex),
        "gender_letter": letter,
    }


def _names(rng: Random, patient: Person, age: int) -> dict[str, str]:
    title = "Mr." if not patient.female else rng.choice(("Ms.", "Mrs.") if age > 30 else ("Ms.",))
    relative, last = patient.relative
    he, his, him = PRONOUNS[patient.gender]
    return {
        "full": f"{patient.first} {patient.last}",
        "first": patient.first,
        "last": patient.last,
        "last_first": f"{patient.last}, {patient.first}",
        "upper": f"{patient.last}, {patient.first}".upper(),
        "title_last": f"{title} {patient.last}",
        "initials": f"{patient.first[0]}.{patient.last[0]}.".upper(),
        "rel_first": relative,
        "rel_last": last,
        "rel_full": f"{relative} {last}",
        "relation": patient.relation,
        "Relation": patient.relation.capitalize(),
        "He": he.capitalize(),
        "His": his.capitalize(),
        "he": he,
        "his": his,
        "him": him,
    }


def _staff(rng: Random, hospital: Mapping[str, Any]) -> dict[str, str]:
    people = table("people")
    first, last = name(rng, rng.random() < 0.5)
    credential = rng.choice(people["credentials"])
    return {
        "doctor": rng.choice((f"Dr. {first} {last}", f"Dr. {last}", f"{first} {last}, {credential}")),
        "doctor_sig": rng.choice((f"{first[0]}. {last}", f"{first} {last}")) + f", {credential}",
        "doctor2": "Dr. " + " ".join(name(rng, rng.random() < 0.5)[rng.randrange(2) :]),
        "nurse": rng.choice(("{0} {1}", "{0[0]}. {1}")).format(*name(rng, rng.random() < 0.8)),
        "hospital": hospital["name"],
        "hospital_short": hospital["short"],
        "domain": hospital["domain"],
        "unit": rng.choice(people["units"]),
        "unit2": rng.choice(people["units"]),
        "phone_h": phone(rng),
        "fax": phone(rng),
        "street_h": f"{rng.randrange(1, 900)} {rng.choice(people['streets'])}",
        "licence": digits(rng, rng.choice(("{d7}", "MD{d6}", "A{d5}"))),
        "dea": "B" + last[0].upper() + digits(rng, "{d7}"),
        "ip": f"192.0.2.{rng.randrange(1, 255)}",
        "d6": digits(rng, "{d6}"),
    }


def _dates(rng: Random, patient: Person, visit: date, first_visit: date) -> dict[str, str]:
    return {
        "date": day(rng, visit),
        "short_date": f"{visit.month}/{visit.day}",
        "first_date": day(rng, first_visit),
        "prior_date": day(rng, visit - timedelta(days=rng.randrange(5, 400))),
        "dob": day(rng, patient.born),
        "weekday": (visit - timedelta(days=rng.randrange(2, 6))).strftime("%A"),
        "month": (visit - timedelta(days=rng.randrange(60, 250))).strftime("%B"),
        "past_year": str(visit.year - rng.randrange(3, min(25, patient.age(visit) - 14))),
        "clock": f"{rng.randrange(6, 23)}:{rng.randrange(60):02d}",
    }


def facts(rng: Random, patient: Person, visit: Visit) -> dict[str, str]:
    """Everything that a template may name about a patient, the people around them, the place and the day."""
    age = patient.age(visit.day)
    carried = ("mrn", "ssn", "account", "plan_id", "phone", "email", "street", "city", "state", "zip", "device")
    return (
        _staff(rng, visit.hospital)
        | _ages(rng, patient, age)
        | _names(rng, patient, age)
        | _dates(rng, patient, visit.day, visit.first_day)
        | {key: getattr(patient, key) for key in carried}
        | {"rel_phone": patient.relative_phone}
    )


def _opening(pen: Pen, told: Story, kind: str) -> str:
    cut = 2 if len(told.symptoms) > 3 else 1
    onset = pen.fill(pen.templates["onset"][told.onset])
    context = pen.rng.choice((", ", "; ", " - ")) + told.context if told.context else ""
    parts = {"s1": pen.join(told.symptoms[:cut]), "s2": pen.join(told.symptoms[cut:]), "context": context}
    return pen.voiced(kind, onset=onset, **parts)


def names_own(text: str, condition: Condition) -> bool:
    """Whether a text spells out a condition by one of its names; abbreviations count in capitals only."""
    return any(
        re.search(rf"(?<!\w){re.escape(n)}(?!\w)", text, 0 if n.isupper() else re.IGNORECASE) for n in condition.names
    )


def _background(pen: Pen, told: Story, condition: Condition) -> dict[str, str]:
    rng, lines = pen.rng, pen.templates
    others = [f for f in lines["family"]["others"] if not names_own(f, condition)]
    social = lines["social"]["any"] + lines["social"]["retired" if int(pen.facts["age_years"]) > 66 else "working"]
    return {
        "history": pen.voiced("history", h=pen.join(told.history)) if told.history else "",
        "meds": pen.fill(lines["meds"]["lines"], m=", ".join(told.meds)) if told.meds else "No daily medications.",
        "allergies": pen.fill(lines["meds"]["allergies"]) if rng.random() < 0.6 else "",
        "family": pen.fill(lines["family"]["lines"], f=rng.choice(others)) if rng.random() < 0.5 else "",
        "social": pen.fill(social) if rng.random() < 0.6 else "",
    }


def _parts(pen: Pen, told: Story, condition: Condition, kind: str) -> dict[str, str]:
    """Each part of a note as text; an empty part simply leaves no trace."""
    rng, lines = pen.rng, pen.templates
    asides = rng.sample(lines["identifiers"]["aside"], rng.choices((1, 2, 3), (0.6, 0.3, 0.1))[0])
    assessment = lines["assessment"]["named" if rng.random() < NAMED_SHARE else "plain"]
    plan = rng.choice(("; ", ", ")).join(told.plan)
    return _background(pen, told, condition) | {
        "opening": _opening(pen, told, kind),
        "negatives": pen.voiced("negative", n=pen.join(told.denied, "or")),
        "vitals": pen.fill(lines["vitals"]["lines"], **told.vitals),
        "vitals_home": pen.fill(lines["lines"]["vitals_home"], **told.vitals),
        "exam": rng.choice(("; ", ", ", ", ")).join(told.exam),
        "labs": ", ".join(told.labs),
        "imaging": ". ".join(told.results),
        "assessment": pen.fill(assessment, own=told.own_name),
        "treatment": pen.voiced("treatment", g=pen.join(told.given)) if told.given else "",
        "plan": plan,
        "plan_items": " | ".join((*told.plan, *told.given)),
        "aside": " ".join(pen.fill([a]) for a in asides),
        "caller": pen.fill(lines["lines"]["caller"]),
        "advice": pen.fill(lines["lines"]["advice_recheck" if kind == "recheck" else "advice"], plan=plan),
        "greeting": pen.fill(lines["lines"]["greeting"]),
    }


def _tidy(text: str) -> str:
    """Close the seams that empty parts leave, and start sentences with a capital letter."""
    text = re.sub(r"[ ]{2,}", " ", text).strip()
    text = re.sub(r"\s+([.,;])", r"\1", text)
    text = re.sub(r"([.;,])(?:\s*[.;,])+", r"\1", text)
    return re.sub(r"(?:^|(?<=[\w)%]{2}[.?!] ))[a-z](?=[a-z]+[ ,])", lambda m: m[0].upper(), text)


def _headed(title: str, body: str, heading: str) -> str:
    """A section under its heading; without a title the text runs on."""
    if not title or heading == "none":
        return body
    if heading == "short":
        return f"{title[0]}: {body}"
    if heading == "title_colon":
        return f"{title}: {body}"
    if heading == "dash":
        return f"{title} -\n{body}"
    return f"{title.upper()}{':' if heading == 'upper_colon' else ''}\n{body}"


def _body(pen: Pen, parts: Mapping[str, str]) -> str:
    heading, bullet = pen.rng.choice(pen.style.headings), pen.rng.choice(pen.style.split or ("",))
    blocks = []
    for title, template in pen.style.sections:
        items = [
            text for text in (_tidy(item.format_map({**pen.facts, **parts})) for item in template.split("|")) if text
        ]
        if bullet and len(template.split("|")) > 1:
            items = [item for whole in items for item in whole.split(" | ")]
            marks = (f"{n}. " if bullet == "1" else bullet for n in range(1, 99))
            blocks.append(_headed(title, "\n".join(map("".join, zip(marks, items, strict=False))), heading))
        elif items:
            blocks.append(_headed(title, items[0], heading))
    return "\n".join(blocks)


def write_note(rng: Random, patient: Person, visit: Visit) -> Note:
    """Write the note of one visit; a later visit for the same condition reads as a return or a recheck."""
    condition = visit.condition
    style = rng.choices(styles(), [s.weight for s in styles()])[0]
    pen = Pen(rng, style, facts(rng, patient, visit), patient)
    kind = "opening" if visit.day == visit.first_day else "recheck" if condition.once else "again"
    parts = _parts(pen, story(rng, patient, condition, recheck=kind == "recheck"), condition, kind)
    identifiers = pen.templates["identifiers"]
    head = "" if style.header == "none" else pen.fill(identifiers[f"header_{style.header}"])
    foot = pen.fill(identifiers["signature"]) if rng.random() < 0.8 else ""
    text = "\n".join(block for block in (head, _body(pen, parts), foot) if block)
    return Note(text=text, loinc=style.type[0], kind=style.type[1], author=pen.facts["doctor_sig"], style=style.name)
