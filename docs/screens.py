"""Writes docs/pictures: every page of the dashboard as the person meets it whose page it is. Run by `make docs`."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from PIL import Image

from bench.stage import (
    CLINICIAN,
    IT,
    OFFICER,
    PASSWORD,
    PATIENT,
    PEOPLE,
    SITE,
    STEWARD,
    Person,
    lock,
    make,
    nodes,
    patients,
)
from bench.visitor import NARROW, WIDE, Visitor, chromium
from dashboard.launch import address, free_port, start
from dashboard.view.visit import PAGES
from policies.guard import open_site
from policies.workspace import Workspace

PICTURES = Path(__file__).with_name("pictures")
_TALLEST = {WIDE: 1500, NARROW: 1900}
_COLOURS = 256
_DRAWN_MS = 900  # for plots and tables, which are drawn after the script is done
_BLOCK = '[data-testid="stMainBlockContainer"]'


@dataclass(frozen=True)
class Cast:
    """Whom the pictures show: the patient by name and by pseudonym."""

    name: str
    patient: str


Act = Callable[[Visitor, Cast], None]
Come = Callable[[tuple[int, int]], Visitor]


def nothing(here: Visitor, cast: Cast) -> None:
    """The page as it opens."""


def find_patient(here: Visitor, cast: Cast) -> None:
    """The patient, found by a part of the name."""
    here.page.get_by_label("Name, date of birth").fill(cast.name)
    here.page.keyboard.press("Enter")
    here.page.get_by_text("1 patient.").wait_for()
    here.settled()
    here.page.get_by_test_id("stMain").get_by_role("button", name=cast.name).click()
    here.page.get_by_role("button", name="Open this note").first.wait_for()
    here.settled()


def open_note(here: Visitor, cast: Cast) -> None:
    """The patient's newest note."""
    _to_patient(here, cast)
    here.page.get_by_role("button", name="Open this note").first.click()
    here.page.get_by_text("Look closer, or correct it").wait_for()
    here.settled()


def read_record(here: Visitor, cast: Cast) -> None:
    """The summary of the patient's notes."""
    _to_patient(here, cast)
    here.page.get_by_test_id("stMain").get_by_role("link", name="Summary, results and questions").click()
    here.page.get_by_role("tab", name="Summary").wait_for()
    here.settled()


def see_results(here: Visitor, cast: Cast) -> None:
    """One test over time."""
    read_record(here, cast)
    here.page.get_by_role("tab", name="Results").click()
    here.page.get_by_role("combobox", name="Test").click()
    here.page.get_by_role("option", name="brain natriuretic peptide").click()
    here.settled()


def paste(here: Visitor, cast: Cast) -> None:
    """A note from outside, made up here."""
    here.page.get_by_label("The text").fill(
        "Referral. 61-year-old woman with chest pressure on exertion for 3 weeks, relieved by rest. Denies syncope.\n"
        "Father had a heart attack at 58. Takes metoprolol 25 mg bid and aspirin 81 mg.\n"
        "BP 148/88, HR 72. Troponin negative. PLAN: stress test next week; start a statin if LDL is high."
    )
    here.page.get_by_role("button", name="Read it").click()
    here.page.get_by_text("What it may support").wait_for()
    here.settled()


def ask_for_patient(here: Visitor, cast: Cast) -> None:
    """The patient's pseudonym, typed into the first field that asks for one."""
    here.page.get_by_label("Patient (pseudonym)").first.fill(cast.patient)
    here.page.keyboard.press("Enter")
    here.page.get_by_test_id("stDataFrame").first.wait_for()
    here.settled()


def choose_grant(here: Visitor, cast: Cast) -> None:
    """The emergency that waits for a review."""
    here.page.get_by_role("combobox", name="Grant").click()
    here.page.get_by_role("option").first.click()
    here.page.get_by_role("button", name="Sign the review").wait_for()
    here.settled()


def choose_signed(here: Visitor, cast: Cast) -> None:
    """The review that was signed."""
    here.page.get_by_role("combobox", name="Review").click()
    here.page.get_by_role("option", name=re.compile("signed")).first.click()
    here.settled()


def _to_patient(here: Visitor, cast: Cast) -> None:
    here.open("patient-list")
    find_patient(here, cast)


@dataclass(frozen=True)
class Scene:
    """A picture: of which page, before whom, after what was done there.

    Attributes:
        name: of the picture, where a page has more than one.
        narrow: whether there is one as a telephone shows it, too.
    """

    page: str
    person: Person
    act: Act = field(default=nothing)
    name: str = ""
    narrow: bool = False

    @property
    def file(self) -> str:
        return self.name or self.page


SCENES = (
    Scene("patients", CLINICIAN, find_patient, narrow=True),
    Scene("note", CLINICIAN, open_note, narrow=True),
    Scene("record", CLINICIAN, read_record),
    Scene("record", CLINICIAN, see_results, "record-results"),
    Scene("look", CLINICIAN, paste),
    Scene("audit", OFFICER, narrow=True),
    Scene("access", OFFICER, ask_for_patient),
    Scene("glass", OFFICER, choose_grant, narrow=True),
    Scene("disclosures", OFFICER, ask_for_patient),
    Scene("certificates", OFFICER, choose_signed),
    Scene("budget", OFFICER),
    Scene("policy", OFFICER),
    Scene("review", OFFICER),
    Scene("training", IT, narrow=True),
    Scene("federation", IT),
    Scene("plans", STEWARD),
    Scene("models", IT, narrow=True),
    Scene("jobs", IT),
    Scene("keys", IT),
    Scene("settings", IT),
    Scene("accounts", IT),
)


def draw(root: Path, folder: Path = PICTURES, *, dark: bool = False, only: Collection[str] = ()) -> None:
    """Make every picture.

    Args:
        root: the workspace of the stage; made where it is missing.
        only: names of pictures; all by default.
    """
    workspace = Workspace(root) if root.exists() else make(root)
    lock(workspace)
    port = free_port(9300)
    folder.mkdir(parents=True, exist_ok=True)
    with nodes(workspace), chromium() as browser:
        process = start(workspace, port)
        try:
            for person in PEOPLE:
                scenes = [one for one in SCENES if one.person is person and (not only or one.file in only)]
                _play(partial(Visitor.come, browser, address(port), dark=dark), scenes, cast_of(workspace), folder)
        finally:
            process.terminate()
            process.wait(timeout=20)


def cast_of(workspace: Workspace) -> Cast:
    """The patient of the stage."""
    return Cast(PATIENT, patients(open_site(workspace, SITE))[0])


def files_of(scene: Scene) -> Mapping[str, tuple[int, int]]:
    """The names of a scene's pictures, and the window of each."""
    narrow = {f"{scene.file}-narrow.png": NARROW} if scene.narrow else {}
    return {f"{scene.file}.png": WIDE, **narrow}


def _play(come: Come, scenes: Sequence[Scene], cast: Cast, folder: Path) -> None:
    """The scenes of one person, in a wide window and then in a narrow one."""
    for size in (WIDE, NARROW):
        own = [(scene, file) for scene in scenes for file, wanted in files_of(scene).items() if wanted == size]
        if not own:
            continue
        here = come(size)
        here.sign_in(scenes[0].person.account, PASSWORD)
        here.choose(scenes[0].person.purpose)
        for scene, file in own:
            here.open(address_of(scene.page))
            scene.act(here, cast)
            (folder / file).write_bytes(small(_shot(here, size)))
        here.leave()


def address_of(page: str) -> str:
    return next(own.address for own in PAGES if own.name == page)


def _shot(here: Visitor, size: tuple[int, int]) -> bytes:
    """The window, made as high as what it holds, up to a limit."""
    here.page.mouse.move(0, 0)
    for _ in range(2):  # a higher window draws what a lower one leaves out
        height = here.page.locator(_BLOCK).evaluate("block => block.scrollHeight")
        here.page.set_viewport_size({"width": size[0], "height": max(size[1], min(height, _TALLEST[size]))})
        here.page.wait_for_timeout(_DRAWN_MS)
    data = here.page.screenshot()
    here.page.set_viewport_size({"width": size[0], "height": size[1]})
    return data


def small(picture: bytes) -> bytes:
    """A PNG of few colours."""
    with Image.open(io.BytesIO(picture)) as full, io.BytesIO() as out:
        full.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
        return out.getvalue()
