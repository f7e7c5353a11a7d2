"""Notes in other languages are told from English ones, and short or clipped English is never taken for another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.extraction.language import OTHER_SCRIPT, other_language
from clinical.synthetic import made_up_texts

LABS = "BP 120/80 HR 70 RR 16 Temp 98.6 Wt 70 kg Na 140 K 4.1 Cl 100 BUN 12 Cr 1.0 WBC 7 Hgb 13 Plt 200 AST ALT ALP"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (
            "Der Patient klagt über Schmerzen in der Brust und hat seit drei Tagen Fieber. Er ist sonst gesund.",
            "German",
        ),
        ("Paciente de 40 años que acude por dolor en el pecho desde hace tres días, sin fiebre y con tos.", "Spanish"),
        ("Le patient se plaint de douleurs à la poitrine depuis trois jours et il a de la fièvre.", "French"),
        ("病人 胸痛 三天 发烧 没有 咳嗽 服用 阿司匹林 高血压 糖尿病 无 过敏 史", OTHER_SCRIPT),
        ("The patient denies chest pain. El dolor de la rodilla is new, and he has had no fever since then.", ""),
        (LABS, ""),
        ("Der die das", ""),
        ("", ""),
    ],
)
def test_the_language_of_a_note(text: str, language: str) -> None:
    assert other_language(text) == language


def test_made_up_notes_are_in_english_whatever_their_case() -> None:
    for text in made_up_texts(40):
        assert not other_language(text)
        assert not other_language(text.upper())


@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    assert isinstance(other_language(text), str)
