"""The challenge set is exact: every span holds an identifier, none overlap, and a seed gives the same bytes."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.layouts import HALVES, listed, own, table
from bench.layouts.export import SITES, layouts_of, write_exports
from bench.layouts.marking import CATEGORIES, mark, pad, paged, scanned, unmarked, wrapped
from bench.layouts.people import person

words = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12)
PARTS = ("female", "male", "family")
pieces = st.lists(st.tuples(st.sampled_from(CATEGORIES), words, words), min_size=1, max_size=30)


@pytest.fixture(scope="module", params=HALVES)
def export(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    assert write_exports(folder, 36, 5, (request.param,)) == 36 * len(SITES)
    return folder


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def marked_notes(folder: Path, sites: Sequence[str] = SITES) -> Iterator[tuple[str, list[tuple[int, int, str]]]]:
    for site in sites:
        documents = rows(folder / site / "DocumentReference.ndjson")
        for document, gold in zip(documents, rows(folder / site / "gold.jsonl"), strict=True):
            assert document["id"] == gold["id"]
            yield base64.b64decode(document["content"][0]["attachment"]["data"]).decode(), gold["spans"]


def test_spans_are_exact_and_apart(export: Path) -> None:
    for text, spans in marked_notes(export):
        last = 0
        for start, end, category in spans:
            assert last <= start < end <= len(text)
            assert category in CATEGORIES
            assert text[start:end] == text[start:end].strip() != ""
            last = end
        assert not any("\ue000" <= character <= "\uf8ff" for character in text)
        assert "{" not in text.replace('{"', "").replace("[{", "") and "<<" not in text


def test_every_category_has_support(export: Path) -> None:
    found = Counter(category for _, spans in marked_notes(export) for *_, category in spans)
    assert set(found) == set(CATEGORIES)


def test_a_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_exports(tmp_path / folder, 4, seed)
    texts = [[path.read_bytes() for path in sorted((tmp_path / f).rglob("*.*json*"))] for f in "abc"]
    assert texts[0] == texts[1] != texts[2]


def test_halves_share_no_layout_and_no_listed_value() -> None:
    names = [layout["name"] for half in HALVES for layout in table(f"layouts_{half}")["layout"]]
    assert len(names) == len(set(names)) >= 60
    for one, other in (HALVES[:2], HALVES[2:]):
        for origin in listed("names", one)["origin"]:
            for part in PARTS:
                assert len(set(origin[part])) == len(origin[part]) and not set(own(origin[part], one)) & set(
                    own(origin[part], other)
                )


def test_later_halves_have_names_of_their_own() -> None:
    earlier, later = (
        {
            name
            for origin in listed("names", half)["origin"]
            if origin["name"] != "words"
            for p in PARTS
            for name in origin[p]
        }
        for half in ("dev", "fresh")
    )
    assert len(later) > 500 and not earlier & later


def test_marks_lie_where_the_values_are(export: Path) -> None:
    found = 0
    for site in SITES:
        patients = {patient["id"]: patient for patient in rows(export / site / "Patient.ndjson")}
        for document, (text, spans) in zip(
            rows(export / site / "DocumentReference.ndjson"), marked_notes(export, [site]), strict=True
        ):
            patient = patients[document["subject"]["reference"].removeprefix("Patient/")]
            for value in (item["value"] for item in patient["identifier"] + patient["telecom"]):
                for match in re.finditer(rf"(?<!\w){re.escape(value)}(?!\w)", text, re.IGNORECASE):
                    assert any(start <= match.start() and match.end() <= end for start, end, _ in spans)
                    found += 1
    assert found > 100


def test_hospitals_mix_layouts_differently() -> None:
    for half in HALVES:
        mixes = [tuple(layout["name"] for layout in layouts_of(half, n)) for n in range(len(SITES))]
        assert len(set(mixes)) == len(SITES)


@given(pieces, st.integers(0, 99))
def test_marks_survive_wrapping_scanning_and_pages(parts: list[tuple[str, str, str]], seed: int) -> None:
    page = " ".join(f"{plain} {mark(category, value)}" for category, value, plain in parts)
    text, spans = unmarked(paged(scanned(Random(seed), wrapped(page, 20)), "HEADER"))
    assert [category for *_, category in spans] == [category for category, *_ in parts]
    for (start, end, _), (_, value, _) in zip(spans, parts, strict=True):
        assert text[start:end].replace("-\n", "") == value


def test_padding_counts_what_is_seen() -> None:
    assert unmarked(pad(mark("NAME", "Ng"), 5) + "|")[0] == "Ng   |"


def test_a_single_name_stands_alone() -> None:
    single = next(p for n in range(500) if (p := person(Random(n), "dev", "p")).single)
    assert unmarked(single.named("rev"))[0] == unmarked(single.named("full"))[0] == single.first
