"""The clinical content of one visit, drawn from the tables: what is said, found, measured, given and planned."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from clinical.synthetic.people import PRONOUNS, Person
from clinical.synthetic.tables import Comorbidity, Condition, table

# Chance that a visit also brings up a complaint which has nothing to do with its condition.
STRAY = 0.3
STRAYS = (
    *("fatigue", "nausea", "dizzy", "headache", "insomnia", "anxious", "cough", "leg_pain", "constipation", "edema"),
    *("myalgia", "anorexia", "nasal", "itch", "rash", "numb", "bloating", "palpitations", "epigastric"),
)
# Chance that the circumstances are told.
CONTEXT = 0.85
USUAL_LABS = ("wbc", "hgb", "plt", "na", "k", "cr", "glucose")
USUAL_EXAM = ("nad", "clear", "soft", "regular", "nonfocal")
NORMAL_VITALS = {"hr": (80, 9), "sbp": (128, 13), "rr": (16, 1.3), "temp": (36.8, 0.2), "spo2": (97.5, 0.9)}


@dataclass(frozen=True)
class Story:
    """One visit as phrases in the order in which they would be told."""

    symptoms: tuple[str, ...]
    denied: tuple[str, ...]
    context: str
    onset: str
    history: tuple[str, ...]
    meds: tuple[str, ...]
    exam: tuple[str, ...]
    results: tuple[str, ...]
    labs: tuple[str, ...]
    vitals: Mapping[str, str]
    given: tuple[str, ...]
    plan: tuple[str, ...]
    own_name: str


def phrase(rng: Random, options: Sequence[str], patient: Person, **more: str) -> str:
    """One of the phrasings, with pronouns and small numbers filled in; those marked "f:" are for women only."""
    fitting = _fitting(options, patient)
    he, his, him = PRONOUNS[patient.gender]
    fields = {"he": he, "his": his, "him": him, "k": str(rng.randrange(2, 6)), "n": str(rng.randrange(5, 25))}
    return rng.choice(fitting).removeprefix("f:").format_map(fields | more)


def _drawn(rng: Random, chances: Mapping[str, float], least: int, most: int) -> list[str]:
    """Keys drawn independently, the likelier ones filling up to `least`."""
    keys = [key for key, chance in chances.items() if rng.random() < chance]
    spare = sorted((k for k in chances if k not in keys), key=lambda k: -chances[k] * rng.random())
    keys += spare[: max(0, least - len(keys))]
    rng.shuffle(keys)
    return keys[:most]


def _labs(rng: Random, condition: Condition, normal: bool) -> list[str]:
    """Two to five laboratory values, those of the condition first."""
    names = rng.sample(sorted(condition.lab), min(len(condition.lab), rng.randrange(2, 4)))
    names += [n for n in rng.sample(USUAL_LABS, 2) if n not in condition.lab][: rng.randrange(3)]
    return [_lab(rng, table("conditions")["lab"][n], None if normal else condition.lab.get(n)) for n in names]


def _lab(rng: Random, row: Mapping[str, Any], shifted: tuple[float, float] | None) -> str:
    value = max(rng.gauss(*(shifted or row["normal"])), row["floor"])
    unit = f" {row['unit']}" if row["unit"] and row["unit"] != "%" and rng.random() < 0.3 else ""
    return f"{rng.choice(row['names'])} {value:.{row['decimals']}f}{'%' if row['unit'] == '%' else unit}"


def _vitals(rng: Random, shifted: Mapping[str, tuple[float, float]]) -> dict[str, str]:
    """Blood pressure, pulse, breaths, temperature (in °F more often than in °C) and oxygen saturation."""
    value = {name: rng.gauss(*shifted.get(name, usual)) for name, usual in NORMAL_VITALS.items()}
    diastolic = max(value["sbp"] * rng.uniform(0.52, 0.64), 42)
    celsius = min(max(value["temp"], 35.6), 40.2)
    temp = f"{celsius:.1f}" if rng.random() < 0.35 else f"{celsius * 1.8 + 32:.1f}"
    shown = {"hr": max(value["hr"], 46), "rr": max(value["rr"], 11), "spo2": min(max(value["spo2"], 82), 100)}
    return {"bp": f"{max(value['sbp'], 82):.0f}/{diastolic:.0f}", "temp": temp} | {
        k: f"{v:.0f}" for k, v in shown.items()
    }


def _history(rng: Random, patient: Person, given: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of the comorbidities, and a home drug for most of them."""
    past: Sequence[Comorbidity] = patient.history
    drugs = {rng.choice(c.home) for c in past if c.home and rng.random() < 0.85} - set(given)
    table_of_drugs = table("conditions")["drug"]
    return [rng.choice(c.names) for c in past], [phrase(rng, table_of_drugs[d], patient) for d in sorted(drugs)]


def _consistent(keys: Sequence[str]) -> list[str]:
    """Leave out a finding that another one on the list contradicts."""
    contradicts = table("conditions")["contradicts"]
    return [key for key in keys if not set(contradicts.get(key, ())) & set(keys)]


def _sure(options: Sequence[str]) -> list[str]:
    """Phrasings without a number: nobody denies a weight gain of 17 lb."""
    return [o for o in options if not re.search(r"\d|\{[kn]\}", o)]


def _fitting(options: Sequence[str], patient: Person) -> list[str]:
    return [o for o in options if patient.female or not o.startswith("f:")]


def story(rng: Random, patient: Person, condition: Condition, recheck: bool = False) -> Story:
    """Draw one visit of a patient for a condition; at a recheck the findings are normal and the treatment is over."""
    words = table("conditions")
    symptoms = _drawn(rng, condition.symptom, 4, 5)
    if rng.random() < STRAY:
        symptoms.insert(rng.randrange(2, len(symptoms) + 1), rng.choice(STRAYS))
    symptoms = list(dict.fromkeys(symptoms))
    denied = [d for d in rng.sample(condition.denied, rng.randrange(2, 5)) if d not in symptoms][:3]
    exam = [] if recheck else _drawn(rng, condition.exam, 2, 3)
    exam += [e for e in rng.sample(USUAL_EXAM, 2) if e not in exam][: 2 if recheck else 1]
    found = _consistent([*exam, *_drawn(rng, condition.result, 1, 2)])
    given = [] if recheck else _consistent(_drawn(rng, condition.given, 1, 3))
    history, meds = _history(rng, patient, given)
    plan = _fitting(condition.after if recheck else condition.plan, patient)

    def say(kind: str, keys: Sequence[str]) -> tuple[str, ...]:
        return tuple(phrase(rng, words[kind][key], patient) for key in keys)

    return Story(
        symptoms=say("symptom", symptoms),
        denied=tuple(phrase(rng, _sure(words["symptom"][key]), patient) for key in denied),
        context=phrase(rng, condition.context, patient) if rng.random() < CONTEXT else "",
        onset=condition.onset,
        history=tuple(history),
        meds=tuple(meds),
        exam=say("exam", [f for f in found if f in words["exam"]]),
        results=tuple(
            f"At presentation {r}" if recheck else r for r in say("result", [f for f in found if f in words["result"]])
        ),
        labs=tuple(_labs(rng, condition, recheck)),
        vitals=_vitals(rng, {} if recheck else condition.vital),
        given=say("drug", given),
        plan=tuple(phrase(rng, [p], patient) for p in rng.sample(plan, rng.randrange(2, 4))),
        own_name=rng.choice(condition.names),
    )
