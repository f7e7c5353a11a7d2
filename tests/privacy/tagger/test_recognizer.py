"""The tagger that ships finds bare names where they are names, and leaves clinical words."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from privacy.tagger.recognizer import Tagger, shipped_weights

FOUND = [
    ("NAME", "Okoro", "Pt Okoro seen this morning, pain is better."),
    ("NAME", "Marta", "Her daughter Marta is at the bedside."),
    ("NAME", "Lucia", "His wife, Lucia, brought the pills."),
    ("NAME", "Vandermolen", "D/w Vandermolen, who agrees with heparin."),
    ("NAME", "Delgado-Reyes", "Patient: Delgado-Reyes, Ximena"),
    ("NAME", "Grace", "Grace was brought in by her mother."),
    ("NAME", "Parkinson", "Mr. Parkinson denies chest pain."),
    ("NAME", "WILLIAM TSO", "PATIENT NAME: WILLIAM TSO"),
    ("NAME", "farouqi", "seen by farouqi overnight, no events"),
    ("NAME", "Brennan", "Dictated by: Siobhan Brennan, M.D."),
    ("ADDRESS", "Galveston", "She lives in Galveston with her son."),
    ("ADDRESS", "Tulip Lane", "The address is 88 Tulip Lane, Marietta, GA 30060."),
    ("HOSPITAL", "Harbor View Medical Center", "Transferred from Harbor View Medical Center last night."),
    ("HOSPITAL", "6 East", "She was moved to 6 East overnight."),
    ("HOSPITAL", "Halvorsen Logistics", "He works for Halvorsen Logistics and smokes."),
    ("PROFESSION", "welder", "He works as a welder and smokes."),
    ("PROFESSION", "school bus driver", "Occupation: school bus driver"),
]  # fmt: skip
LEFT = [
    "She has Parkinson disease and Graves disease.",
    "Foley catheter was placed to gravity.",
    "The wound was closed with Steri-Strips and Vicryl.",
    "LA is enlarged, RA is normal, LV function is preserved.",
    "She may shower on May 5 and will return.",
    "A Kelly clamp and a Kocher clamp were applied.",
    "MEDICATIONS: Lasix 20 mg daily, Coumadin 5 mg, Tylenol.",
    "Glasgow Coma Scale 15. Apgar scores 8 and 9.",
    "PAST MEDICAL HISTORY: Hypertension, Bell's palsy.",
    "Babinski is negative, Romberg is negative.",
    "The patient was brought to the emergency department.",
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def tagger(cache: Path) -> Tagger:
    return Tagger(cache)


@pytest.fixture(scope="module")
def exact() -> Tagger:
    return Tagger(quantized=False)


def marked(tagger: Tagger, text: str, label: str) -> str:
    return " ".join(text[r.start : r.end] for r in tagger.analyze(text, [label]))


@pytest.mark.parametrize(("label", "expected", "text"), FOUND)
def test_identifiers_are_found(tagger: Tagger, label: str, expected: str, text: str) -> None:
    assert expected in marked(tagger, text, label)


@pytest.mark.parametrize("text", LEFT)
def test_clinical_words_are_left(tagger: Tagger, text: str) -> None:
    assert [text[r.start : r.end] for r in tagger.analyze(text)] == []


def test_small_integers_say_what_single_precision_says(tagger: Tagger, exact: Tagger) -> None:
    texts = [text for _, _, text in FOUND] + LEFT
    same = sum(tagger.analyze(text) == exact.analyze(text) for text in texts)
    assert same >= 0.9 * len(texts)


def test_the_model_is_made_once_and_whole(tagger: Tagger, cache: Path) -> None:
    tagger.analyze("Mr. Reed")
    [graph] = cache.iterdir()
    made = graph.stat().st_mtime_ns
    assert Tagger(cache).analyze("Seen by Mr. Reed") == tagger.analyze("Seen by Mr. Reed")
    assert [path.stat().st_mtime_ns for path in cache.iterdir()] == [made]


def test_without_a_cache_it_runs_all_the_same(tmp_path: Path, tagger: Tagger) -> None:
    (tmp_path / "file").write_text("no folder")
    text = "Seen by Mr. Reed in Dayton."
    found = Tagger(tmp_path / "file" / "cache").analyze(text)
    assert [(r.start, r.end) for r in found] == [(r.start, r.end) for r in tagger.analyze(text)]


def test_a_worker_process_opens_its_own(tagger: Tagger) -> None:
    tagger.analyze("Mr. Reed")
    sent = pickle.dumps(tagger)
    assert len(sent) < 10_000
    assert pickle.loads(sent).analyze("Mr. Reed") == tagger.analyze("Mr. Reed")


@pytest.mark.parametrize("text", ["", " \n\t", "...", "\u200b\u200f", "x" * 5000, "a\x00b " * 300, "中文 病人"])
def test_any_text_is_read(tagger: Tagger, text: str) -> None:
    assert all(0 <= r.start < r.end <= len(text) for r in tagger.analyze(text))


def test_what_ships_is_small() -> None:
    assert shipped_weights().stat().st_size < 5_000_000
    assert shipped_weights().with_suffix(".md").is_file()
