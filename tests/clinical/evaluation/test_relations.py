import json

import pytest

from clinical.evaluation.relations import evaluate_relations
from policies.errors import InputError

TEXT = "He took aspirin 81 mg. The sodium was 140 and he had pain in the knee.\n"


def marked(*relations):
    spans = {"T1": ("Medication", "aspirin"), "T2": ("Dosage", "81 mg"), "T3": ("Diagnostic_procedure", "sodium")}
    spans |= {"T4": ("Lab_value", "140"), "T5": ("Sign_symptom", "pain"), "T6": ("Biological_structure", "knee")}
    lines = [f"{n}\t{k} {TEXT.index(w)} {TEXT.index(w) + len(w)}\t{w}" for n, (k, w) in spans.items()]
    lines += ["E1\tDiagnostic_procedure:T3 ", *relations]
    return "\n".join(lines) + "\n"


def write(folder, *relations):
    (folder / "a.txt").write_text(TEXT)
    (folder / "a.ann").write_text(marked(*relations))
    return folder


def test_each_kind_is_counted(tmp_path):
    folder = write(
        tmp_path, "R1\tMODIFY Arg1:T2 Arg2:T1\t", "R2\tMODIFY Arg1:T4 Arg2:E1\t", "R3\tBEFORE Arg1:T6 Arg2:T5"
    )
    scores = evaluate_relations(folder)
    counted = {kind: (own.marked, own.found, own.right) for kind, own in scores.kinds.items()}
    expected = {"dose": (1, 1, 1), "value": (1, 1, 1), "site": (0, 1, 0), "route": (0, 0, 0), "frequency": (0, 0, 0)}
    assert counted == expected
    assert json.loads(scores.to_json())["overall"]["right"] == 2


def test_the_halves_part_the_reports(tmp_path):
    folder = write(tmp_path, "R1\tMODIFY Arg1:T2 Arg2:T1\t")
    counts = 0
    for half in ("tuned", "held-out"):
        try:
            counts += evaluate_relations(folder, half).documents
        except InputError:
            continue
    assert counts == 1


def test_a_folder_without_relations_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no relation"):
        evaluate_relations(write(tmp_path))
