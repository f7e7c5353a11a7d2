"""The synthetic cohort: valid FHIR, the same at every run, full of identifiers, and not giving its labels away."""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from importlib import import_module

import pytest
import simple_icd_10_cm

from clinical.synthetic import HospitalProfile, condition_labels, demo_hospitals, made_up_texts, write_export
from clinical.synthetic.notes import NAMED_SHARE, names_own
from clinical.synthetic.tables import comorbidities, conditions, styles, table

PATIENTS = 120


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """Folder and counts of each demonstration hospital."""
    root = tmp_path_factory.mktemp("cohort")
    return {p.name: (root / p.name, write_export(root / p.name, p)) for p in demo_hospitals(PATIENTS)}


def rows(folder, kind):
    return [json.loads(line) for line in (folder / f"{kind}.ndjson").read_text(encoding="utf-8").splitlines()]


def text_of(document):
    return base64.b64decode(document["content"][0]["attachment"]["data"]).decode()


def labels(folder):
    """The codes of the Conditions of each Encounter."""
    found = {}
    for row in rows(folder, "Condition"):
        if "encounter" in row:
            found.setdefault(row["encounter"]["reference"], []).append(row["code"]["coding"][0]["code"])
    return found


def labelled_notes(exports):
    for folder, _ in exports.values():
        codes = labels(folder)
        for document in rows(folder, "DocumentReference"):
            yield text_of(document), codes[document["context"]["encounter"][0]["reference"]][0]


def digest(folder):
    return [hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())]


def test_codes_and_titles_are_those_of_icd_10_cm():
    assert len(condition_labels()) == 24
    for row in (*conditions().values(), *comorbidities()):
        assert simple_icd_10_cm.get_description(row.code) == row.title


def test_every_finding_named_by_a_condition_is_in_the_table():
    words = table("conditions")
    for condition in conditions().values():
        for kind, named in (
            ("symptom", condition.symptom),
            ("symptom", condition.denied),
            ("exam", condition.exam),
            ("result", condition.result),
            ("drug", condition.given),
            ("lab", condition.lab),
        ):
            assert set(named) <= set(words[kind]), condition.code
    for past in comorbidities():
        assert set(past.home) <= set(words["drug"])


def test_every_symptom_that_is_denied_has_a_phrasing_without_numbers():
    words = table("conditions")["symptom"]
    for key in {d for c in conditions().values() for d in c.denied}:
        assert any(not re.search(r"\d|\{[kn]\}", phrase) for phrase in words[key]), key


def test_counts_are_those_of_the_files_and_progress_is_told_for_each_patient(tmp_path):
    told = []
    counts = write_export(tmp_path, demo_hospitals(20)[1], told.append)
    assert sum(told) == counts.patients == len(rows(tmp_path, "Patient")) == 20
    assert counts.encounters == counts.documents == len(rows(tmp_path, "DocumentReference"))
    assert counts.conditions == len(rows(tmp_path, "Condition")) > counts.encounters
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "Condition.ndjson",
        "DocumentReference.ndjson",
        "Encounter.ndjson",
        "Patient.ndjson",
    ]


def test_same_seed_same_bytes_and_another_seed_others(tmp_path):
    north = demo_hospitals(15)[0]
    other = HospitalProfile(north.name, north.seed + 1, north.patients, north.case_mix)
    for name, profile in (("a", north), ("b", north), ("c", other)):
        write_export(tmp_path / name, profile)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")


def test_a_hospital_may_know_one_condition_only(tmp_path):
    profile = HospitalProfile("north", 3, 12, {"S72.001A": 1.0})
    assert write_export(tmp_path, profile).patients == 12
    assert {c for [c] in labels(tmp_path).values()} == {"S72.001A"}


def test_nothing_half_written_is_left_when_the_disk_fails(tmp_path):
    def fail(_):
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        write_export(tmp_path, demo_hospitals(5)[0], fail)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["Patient", "Encounter", "Condition", "DocumentReference"])
def test_resources_are_valid_fhir_r4(exports, kind):
    model = getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
    for folder, _ in exports.values():
        for row in rows(folder, kind)[:25]:
            model.model_validate(row)


def test_ids_are_unique_and_references_resolve(exports):
    everything = [
        r
        for folder, _ in exports.values()
        for k in ("Patient", "Encounter", "Condition", "DocumentReference")
        for r in rows(folder, k)
    ]
    known = Counter(f"{r['resourceType']}/{r['id']}" for r in everything)
    assert max(known.values()) == 1
    for row in everything:
        refs = re.findall(r'"reference": "([^"]+)"', json.dumps(row))
        assert all(ref in known for ref in refs)


def test_each_encounter_has_one_label_and_problem_list_items_are_none(exports):
    for folder, counts in exports.values():
        found = labels(folder)
        assert len(found) == counts.encounters
        assert all(len(codes) == 1 and codes[0] in condition_labels() for codes in found.values())
        for row in rows(folder, "Condition"):
            category = row["category"][0]["coding"][0]["code"]
            assert category == ("encounter-diagnosis" if "encounter" in row else "problem-list-item")


def test_patients_have_one_to_four_notes_and_some_two_on_average(exports):
    for folder, _ in exports.values():
        notes = Counter(d["subject"]["reference"] for d in rows(folder, "DocumentReference"))
        assert len(notes) == PATIENTS
        assert set(notes.values()) == {1, 2, 3, 4}
        assert 1.6 < sum(notes.values()) / PATIENTS < 2.2


def test_each_hospital_is_rich_in_what_another_hardly_sees(exports):
    seen = {name: Counter(c for [c] in labels(folder).values()) for name, (folder, _) in exports.items()}
    for row in table("people")["hospital"]:
        for code in row["rare"]:
            assert max(counts[code] for counts in seen.values()) > 4 * seen[row["key"]][code], code
    assert set().union(*seen.values()) == set(condition_labels())


def test_few_notes_name_their_own_condition(exports):
    named = [names_own(text, conditions()[code]) for text, code in labelled_notes(exports)]
    assert 0 < sum(named) / len(named) <= 0.10
    assert NAMED_SHARE < 0.10


def test_no_phrase_of_a_condition_gives_its_name_away():
    words = table("conditions")
    for condition in conditions().values():
        told = [
            p
            for kind, keys in (
                ("symptom", condition.symptom),
                ("exam", condition.exam),
                ("result", condition.result),
                ("drug", condition.given),
            )
            for k in keys
            for p in words[kind][k]
        ]
        for phrase in (*told, *condition.context, *condition.plan, *condition.after):
            assert not names_own(phrase, condition), phrase


def test_names_own_takes_abbreviations_in_capitals_only():
    assert names_own("A/P: PE, stable", conditions()["I26.99"])
    assert not names_own("per family, pe teacher, PERC neg", conditions()["I26.99"])
    assert names_own("known Heart Failure", conditions()["I50.9"])


def test_notes_carry_the_identifiers_of_their_patient_and_more(exports):
    kinds = Counter()
    total = 0
    for folder, _ in exports.values():
        patients = {f"Patient/{p['id']}": p for p in rows(folder, "Patient")}
        for document in rows(folder, "DocumentReference"):
            text, patient, total = text_of(document), patients[document["subject"]["reference"]], total + 1
            values = {
                "mrn": patient["identifier"][0]["value"],
                "ssn": patient["identifier"][1]["value"],
                "family": patient["name"][0]["family"],
                "given": patient["name"][0]["given"][0],
                "street": patient["address"][0]["line"][0],
                "email": patient["telecom"][1]["value"],
            }
            kinds.update(k for k, v in values.items() if v.lower() in text.lower())
            kinds["phone"] += bool(re.search(r"555.01\d\d", text))
    assert kinds["family"] > 0.9 * total
    assert kinds["mrn"] > 0.4 * total
    assert kinds["phone"] > 0.5 * total
    assert all(kinds[k] > 0.01 * total for k in ("ssn", "given", "street", "email"))


def test_contacts_are_fictitious_and_no_template_is_left_open(exports):
    for text, _ in labelled_notes(exports):
        assert all(n.startswith("01") for n in re.findall(r"555[-.](\d{4})", text))
        assert all(re.search(r"example\.(org|net)$", host) for host in re.findall(r"@([\w.]*\w)", text))
        assert not re.search(r"[{}]|\bf:|\.\.| [,;]|,,|[;,] *[.;]|(?<![A-Z])\. ?[;,]", text), text


def test_pronouns_agree_with_the_patient(exports):
    for folder, _ in exports.values():
        gender = {f"Patient/{p['id']}": p["gender"] for p in rows(folder, "Patient")}
        for document in rows(folder, "DocumentReference"):
            wrong = (
                r"\b(he|his|him|Mr\.)(?=\s)"
                if gender[document["subject"]["reference"]] == "female"
                else (r"\b(she|her|Mrs?s\.)(?=\s)")
            )
            assert not re.search(wrong, text_of(document)), text_of(document)


def test_notes_vary_in_layout_and_length(exports):
    notes = [text for text, _ in labelled_notes(exports)]
    lengths = sorted(map(len, notes))
    assert len(styles()) >= 6
    assert lengths[len(lengths) // 20] > 400
    assert lengths[-len(lengths) // 20] < 1500
    assert len({note[:40] for note in notes}) > 0.95 * len(notes)


def test_made_up_texts_are_the_same_in_every_process_and_of_every_kind():
    """The centre of every model is taken from the first of them: other words here, another model everywhere."""
    program = "from clinical.synthetic import made_up_texts; print(made_up_texts(40))"
    runs = {
        subprocess.run(
            [sys.executable, "-c", program], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert runs == {f"{made_up_texts(40)}\n".encode()}
    assert made_up_texts(40)[:8] == made_up_texts(8)
    assert len(set(made_up_texts(40))) == 40
    assert min(map(len, made_up_texts(40))) > 100
