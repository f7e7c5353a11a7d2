"""Every page of the dashboard has its picture, small and of these days, and the document of its person shows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from bench.visitor import NARROW, WIDE
from dashboard.view.visit import PAGES
from docs.screens import PICTURES, SCENES, Scene, files_of
from policies.access import Purpose, decide
from policies.policy import Role

LARGEST = 120_000
DOCUMENTS = {
    Role.CLINICIAN: "clinician.md",
    Role.COMPLIANCE_OFFICER: "compliance.md",
    Role.HOSPITAL_IT: "hospital-it.md",
    Role.DATA_STEWARD: "hospital-it.md",
}
_SHOWN = re.compile(r"!\[([^\]]*)\]\(pictures/([^)]+)\)")


def shown_in(document: str) -> dict[str, str]:
    """The pictures of a document, with the words that stand for each."""
    text = (PICTURES.parent / document).read_text("utf-8")
    return {file: words for words, file in _SHOWN.findall(text)}


def test_every_page_has_a_scene() -> None:
    assert {scene.page for scene in SCENES} == {page.name for page in PAGES}


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.file)
def test_a_scene_is_drawn_small_and_shown_with_words_to_its_person(scene: Scene) -> None:
    page = next(page for page in PAGES if page.name == scene.page)
    assert any(decide("x", [scene.person.role], page.action, purpose).permitted for purpose in Purpose)
    words = shown_in(DOCUMENTS[scene.person.role])[f"{scene.file}.png"]
    assert page.title in words and len(words.split()) > 7
    for file, size in files_of(scene).items():
        path = PICTURES / file
        assert path.stat().st_size < LARGEST, file
        with Image.open(path) as picture:
            assert picture.width == size[0] and size in (WIDE, NARROW)


def test_no_picture_is_left_of_a_page_that_is_gone() -> None:
    drawn = {Path(file).name for scene in SCENES for file in files_of(scene)}
    assert {path.name for path in PICTURES.glob("*.png")} == drawn
