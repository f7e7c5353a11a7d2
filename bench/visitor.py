"""Somebody at a browser, by script: signs in at a running dashboard, chooses, opens pages, waits until they stand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Browser, Page, sync_playwright

from policies.errors import StorageError

WIDE, NARROW = (1280, 900), (390, 844)
_PATIENCE_MS = 180_000
_ASKED = "What are you here for?"
_DONE = '[data-testid="stApp"][data-test-script-state="notRunning"]'


def chromium_path() -> str:
    """Where Chromium lies on this machine; raises StorageError where it does not."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        raise StorageError("Chromium is not installed", "On Debian: apt-get install chromium.")
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Visitor:
    """One browser window before the dashboard at an address."""

    page: Page
    url: str

    @classmethod
    def come(cls, browser: Browser, url: str, size: tuple[int, int] = WIDE, dark: bool = False) -> Visitor:
        """A window of its own, with cookies of its own."""
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light"
        )
        context.set_default_timeout(_PATIENCE_MS)
        return cls(context.new_page(), url)

    def sign_in(self, account: str, password: str) -> None:
        """Fill in the form, and wait for what comes first."""
        self.page.goto(self.url)
        self.page.get_by_label("Account").fill(account)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("heading", level=1).first.wait_for()
        self.settled()

    def choose(self, purpose: str) -> None:
        """Say for which purpose, where that is asked; role and hospital stay the first ones."""
        if self.page.get_by_role("heading", name=_ASKED).count():
            self.page.get_by_role("radiogroup", name="Purpose of use").get_by_text(purpose, exact=False).first.click()
            self.settled()
            self.page.get_by_role("button", name="Go on").click()
            self.page.get_by_role("heading", name=_ASKED).wait_for(state="detached")
            self.settled()

    def open(self, address: str) -> None:
        """A page by its address, as a bookmark has it."""
        self.page.goto(f"{self.url}/{address}")
        self.page.get_by_role("heading", level=1).first.wait_for()
        self.settled()

    def settled(self) -> None:
        """Wait until the script has run, no spinner turns, and what was sent is drawn."""
        self.page.locator(_DONE).wait_for()
        self.page.wait_for_timeout(200)
        self.page.locator(_DONE).wait_for()

    def leave(self) -> None:
        """Close the window, with its cookies."""
        self.page.context.close()
