from pathlib import Path

import pytest

from clinical.evaluation.assertions import evaluate_assertions
from policies.errors import InputError

KIT = (
    "1\t \tfever\tShe denies FEVER.\tNegated\tRecent\tPatient\n"
    "2\t \tgout\tHistory of GOUT.\tAffirmed\tHistorical\tPatient\n"
    "3\t \tcough\tShe has a COUGH.\tAffirmed\tRecent\tPatient\n"
    "4\t \tlost\tNot here.\tAffirmed\tRecent\tPatient\n"
)


def test_the_kit_is_scored_by_status(tmp_path):
    file = tmp_path / "kit.txt"
    file.write_text(KIT)
    scores = evaluate_assertions(file)
    assert (scores.documents, scores.skipped) == (3, 1)
    assert {name: (own.marked, own.found, own.right) for name, own in scores.statuses.items()} == {
        "negated": (1, 1, 1),
        "absent": (1, 1, 1),
        "historical": (1, 1, 1),
    }


def test_the_halves_share_nothing_and_make_the_whole(tmp_path):
    file = tmp_path / "kit.txt"
    file.write_text("".join(f"{n}\t \tfever\tNo FEVER on day {n}.\tNegated\tRecent\tPatient\n" for n in range(40)))
    halves = [evaluate_assertions(file, half).documents for half in ("tuned", "held-out")]
    assert sum(halves) == 40
    assert all(halves)


def test_a_sentence_of_the_tuned_half_is_not_held_out_with_another_phrase(tmp_path):
    file = tmp_path / "kit.txt"
    words = [f"fever{n} chills{n} cough{n}" for n in range(20)]
    lines = [f"1\t \t{own}\tNo {text.replace(own, own.upper())}.\tNegated\tRecent\tPatient\n"
             for text in words for own in text.split()]  # fmt: skip
    file.write_text("".join(lines))
    tuned, held_out = (evaluate_assertions(file, half) for half in ("tuned", "held-out"))
    assert tuned.phrases + held_out.phrases == 60
    assert (tuned.phrases, held_out.phrases) == (3 * tuned.documents, 3 * held_out.documents)


def test_polarity_of_events_is_read(tmp_path):
    (tmp_path / "a.txt").write_text("No fever.\nThe rash has resolved.\nPossible gout.\nAspirin.")
    (tmp_path / "a.ann").write_text(
        "T1\tSign_symptom 3 8\tfever\nE1\tSign_symptom:T1 \nA1\tPOLARITY E1 NEG\n"
        "T2\tSign_symptom 14 18\trash\nE2\tSign_symptom:T2 \nA2\tPOLARITY E2 NEG\n"
        "T3\tDisease_disorder 42 46\tgout\nE3\tDisease_disorder:T3 \nA3\tPOLARITY E3 MAYBE_POS\n"
        "T4\tMedication 48 55\tAspirin\nE4\tMedication:T4 \n"
    )
    found = {name: (own.marked, own.right) for name, own in evaluate_assertions(tmp_path).statuses.items()}
    assert found == {"negated": (2, 1), "absent": (2, 2), "uncertain": (1, 1)}


@pytest.mark.parametrize("text", ["one\ttwo\n", ""])
def test_a_file_of_another_kind_is_refused(tmp_path, text):
    file = tmp_path / "kit.txt"
    file.write_text(text)
    with pytest.raises(InputError):
        evaluate_assertions(file)
    with pytest.raises(InputError, match="cannot be read"):
        evaluate_assertions(Path(tmp_path / "none.txt"))
