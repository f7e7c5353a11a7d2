"""A dashboard as a process of its own, and Chromium before it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, TimeoutError, sync_playwright

from dashboard.launch import address, free_port, start
from dashboard.signin import accounts
from policies.guard import account_name
from policies.workspace import WORKSPACE_VARIABLE, Workspace

PASSWORD = "a long walk home in rain"
WIDE, NARROW = (1280, 900), (390, 844)
# A password that was refused; and Streamlit, opened at a page, asks whether it lies below a folder of that name.
_EXPECTED = re.compile(r"401 |404 http://127\.0\.0\.1:\d+/[a-z-]+/_stcore/")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@dataclass
class Visitor:
    """Somebody at a browser, and what the browser complained about."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def sign_in(self, password: str = PASSWORD) -> None:
        """Fill in the form and send it."""
        self.page.goto(self.url)
        self.page.get_by_label("Account").fill(account_name())
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()

    def choose(self, role: str, purpose: str = "") -> None:
        """Say in which role and for which purpose."""
        self.page.get_by_role("radiogroup", name="Role").get_by_text(role, exact=True).click()
        if purpose:
            self.page.get_by_role("radiogroup", name="Purpose of use").get_by_text(purpose, exact=False).click()
        self.settled()
        self.page.get_by_role("button", name="Go on").click()
        self.page.get_by_role("heading", name="What are you here for?").wait_for(state="detached")
        self.settled()

    def open(self, address: str) -> None:
        """A page by its address, as a bookmark has it."""
        self.page.goto(f"{self.url}/{address}")
        self.page.get_by_role("heading", level=1).first.wait_for()
        self.settled()

    def settled(self) -> None:
        """Wait until the script has run and what it sent is drawn."""
        self.page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
        self.page.wait_for_timeout(200)

    def downloaded(self, button: Locator) -> bytes:
        """What a button gives; pressed again, as a person would, where a page that drew itself anew took the click."""
        for left in (1, 0):
            try:
                with self.page.expect_download(timeout=20_000) as started:
                    button.click()
                return Path(started.value.path()).read_bytes()
            except TimeoutError:
                if not left:
                    raise
                self.settled()
        raise AssertionError

    def note(self, complaint: str, is_one: bool = True) -> None:
        """Remember what the browser complained about."""
        if is_one:
            self.complaints.append(complaint)

    @property
    def text(self) -> str:
        return self.page.get_by_test_id("stMain").inner_text()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served(made_once: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, str]]:
    """A copy of the small workspace behind a running dashboard, with an account that has every role."""
    place = Workspace(tmp_path_factory.mktemp("browser") / "workspace")
    shutil.copytree(made_once.root, place.root)
    accounts(place).add(account_name(), PASSWORD)
    port = free_port(9100)
    process = start(place, port)
    yield place, address(port)
    process.terminate()
    process.wait(timeout=20)


@pytest.fixture
def visitor(chromium: Browser, served: tuple[Workspace, str], monkeypatch) -> Iterator[Callable[..., Visitor]]:
    """Somebody who comes with a browser of a width; nothing of the browser may complain in the end."""
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(served[0].root))
    opened: list[Visitor] = []

    def come(size: tuple[int, int] = WIDE, dark: bool = False) -> Visitor:
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            accept_downloads=True,
        )
        context.set_default_timeout(60_000)
        here = Visitor(context.new_page(), served[1])
        here.page.on("pageerror", lambda error: here.complaints.append(str(error)))
        here.page.on("response", lambda answer: here.note(f"{answer.status} {answer.url}", answer.status >= 400))
        here.page.on(
            "console", lambda said: here.note(said.text, said.type == "error" and "status of" not in said.text)
        )
        opened.append(here)
        return here

    yield come
    for one in opened:
        one.page.context.close()
        assert [text for text in one.complaints if not _EXPECTED.match(text)] == []
