"""The dashboard of a large hospital: seconds of each page in a browser, of a search, and with many people at once.

A real dashboard runs as a process of its own. Pages are timed in Chromium from the click until the script has run and
the title of the page stands; the crowd has no browsers, which would measure this machine and not the dashboard.
"""

from __future__ import annotations

import asyncio
import os
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

from playwright.sync_api import Browser, Locator

from bench.crowd import Walk, crowd
from bench.large import Size, Staff, make, name_of, pseudonym_of, staff
from bench.report import json_line
from bench.stage import PASSWORD
from bench.visitor import Visitor, chromium
from dashboard.console import progress, say, table
from dashboard.launch import address, free_port, start
from dashboard.view.visit import PAGES, PageView
from policies.access import decide
from policies.decisions import purpose_text
from policies.policy import Role

NOTES, ENTRIES, PEOPLE = 100_000, 1_000_000, 20
ROUNDS, SECONDS, PAUSE = 5, 180.0, 5.0
_INDEXED_S = 900
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
_AFTER_CHOICE = ("note", "record")  # pages of a patient who was chosen
_OF_A_PATIENT = {"access": "the newest first", "disclosures": "All model updates"}
_SEARCHES = {"a patient": pseudonym_of(11), "a rare word": "follow-up", "a common word": "clinician", "nothing": ""}
_DRAWN = """() => {
  const app = document.querySelector('[data-testid="stApp"]');
  return app?.dataset.testScriptState === 'notRunning' &&
    !document.querySelector('[data-testid="stSpinner"]') && !document.querySelector('[data-stale="true"]');
}"""


@dataclass(frozen=True)
class Took:
    """What one act took: seconds until all was there, and seconds of a core that the dashboard worked for it."""

    seconds: float
    work: float


@dataclass(frozen=True)
class Timed:
    """Something that was done several times, each time in a session of its own.

    Attributes:
        first: seconds of the first one after the dashboard started, which counts for nothing else.
        work: seconds of a core that the dashboard itself worked, of each, whatever else the machine did.
    """

    what: str
    seconds: tuple[float, ...]
    first: float
    work: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.seconds)


@dataclass(frozen=True)
class Crowd:
    """What people met who were there at once; `work` is as `Timed` has it, the mean of all steps."""

    people: int
    steps: int
    work: float
    p50: float
    p95: float
    worst: float
    slowest: str
    named: int
    strangers: int
    faults: int


@dataclass(frozen=True)
class Sitting:
    """Somebody before a browser, and the process of the dashboard."""

    here: Visitor
    process: int

    def until(self, act: Callable[[], object], shown: Locator) -> Took:
        """From an act until this is seen, the script has run, and nothing of before is left."""
        started, worked = perf_counter(), worked_by(self.process)
        act()
        shown.wait_for()
        self.here.page.wait_for_function(_DRAWN)
        return Took(perf_counter() - started, worked_by(self.process) - worked)

    def opened(self, act: Callable[[], object], page: PageView) -> Took:
        """From an act until a page stands."""
        return self.until(act, self.here.page.get_by_role("heading", name=page.title, level=1, exact=True))

    def typed(self, label: str, words: str, shown: Locator) -> Took:
        """From the Enter after some words until what they ask for stands."""
        self.here.page.get_by_label(label).first.fill(words)
        return self.until(partial(self.here.page.keyboard.press, "Enter"), shown)


def worked_by(process: int) -> float:
    """Seconds of a core that a process has worked, by Linux."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def visits(browser: Browser, url: str, process: int, who: Staff, rounds: Iterable[int]) -> list[Timed]:
    """Every page of somebody, and what a role does on it, in sessions of which the first warms up."""
    found: dict[str, list[Took]] = {}
    for _ in rounds:
        for what, took in _session(Sitting(Visitor.come(browser, url), process), who):
            found.setdefault(what, []).append(took)
    return [
        Timed(what, tuple(one.seconds for one in took[1:]), took[0].seconds, tuple(one.work for one in took[1:]))
        for what, took in found.items()
    ]


def _session(sitting: Sitting, who: Staff) -> Iterator[tuple[str, Took]]:
    """Sign in, open the first page by its address, and the others by a click."""
    here = sitting.here
    here.sign_in(who.account, PASSWORD)
    here.choose(purpose_text(who.purpose))
    first, *others = _pages(who)
    yield (
        f"{first.title}, by its address",
        sitting.opened(partial(here.page.goto, f"{here.url}/{first.address}"), first),
    )
    yield f"{first.title}, first paint", Took(here.page.evaluate(_PAINT) / 1000, 0)
    if first.name == "audit":
        yield from _searches(sitting)
    elif first.name == "patients":
        yield from _care(sitting, min(who.own))
    for page in others:
        if page.name not in _AFTER_CHOICE:
            yield page.title, sitting.opened(_link(here, page).click, page)
        if page.name in _OF_A_PATIENT:
            field, shown = "Patient (pseudonym)", here.page.get_by_text(_OF_A_PATIENT[page.name]).first
            yield f"{page.title}, asked for one", sitting.typed(field, pseudonym_of(7), shown)
    here.leave()


def _searches(sitting: Sitting) -> Iterator[tuple[str, Took]]:
    """Of the log: for a patient, a rare word, a common one, and for everything again."""
    for what, words in _SEARCHES.items():
        shown = sitting.here.page.get_by_text(re.compile(f"found:.*{words}")).first
        yield f"Audit log, search: {what}", sitting.typed("Search the details", words, shown)


def _care(sitting: Sitting, patient: int) -> Iterator[tuple[str, Took]]:
    """One patient: found, chosen, a note, the record."""
    here, name = sitting.here, name_of(patient)
    main = here.page.get_by_test_id("stMain")
    found, opening = main.get_by_role("button", name=name), main.get_by_role("button", name="Open this note")
    yield "Patients, search", sitting.typed("Name, date of birth", name, here.page.get_by_text("1 patient."))
    here.settled()
    yield "Patients, a patient", sitting.until(found.click, opening.first)
    here.settled()
    note, record = (next(page for page in PAGES if page.name == own) for own in _AFTER_CHOICE)
    yield "Note", sitting.opened(opening.first.click, note)
    yield "Record", sitting.opened(_link(here, record).click, record)


def _link(here: Visitor, page: PageView) -> Locator:
    return here.page.get_by_test_id("stSidebarNav").get_by_role("link", name=page.title, exact=True)


def _pages(who: Staff) -> list[PageView]:
    """What the access policy opens to somebody, in the order of the navigation."""
    return [page for page in PAGES if decide(who.account, [who.role], page.action, who.purpose).permitted]


def together(walks: Sequence[Walk], worked: float) -> Crowd:
    """What all walks say.

    Args:
        worked: seconds of a core that the dashboard worked for all of them.
    """
    steps = sorted((seconds, step) for walk in walks for step, seconds in walk.steps)
    cuts = quantiles([seconds for seconds, _ in steps], n=20, method="inclusive")
    return Crowd(
        len(walks), len(steps), worked / len(steps), cuts[9], cuts[18], *steps[-1],
        len(set().union(*(walk.named for walk in walks))),
        sum(len(walk.strangers) for walk in walks), sum(len(walk.faults) for walk in walks),
    )  # fmt: skip


def run(chosen: Namespace) -> None:
    """Make the workspace, measure, and print tables and, if asked, a line of JSON."""
    people = staff(chosen.people)
    with progress() as bar:

        def tell(what: str, total: int) -> Callable[[int], None]:
            return partial(bar.advance, bar.add_task(what, total=total))

        workspace = make(chosen.work, chosen.stage, Size(chosen.notes, chosen.entries, chosen.people), tell)
        port = free_port(9500)
        url, process = address(port), start(workspace, port)
        try:
            one_of_each = {one.role: one for one in reversed(people)}
            seconds = _indexed(url, one_of_each[Role.COMPLIANCE_OFFICER])
            with chromium() as browser:
                timed = []
                for who in one_of_each.values():
                    rounds = bar.track(range(chosen.rounds + 1), description=f"as {who.role} in a browser")
                    timed += visits(browser, url, process.pid, who, rounds)
            _show_pages(timed, seconds)
            before = worked_by(process.pid)
            walks = asyncio.run(crowd(url, people, chosen.seconds, chosen.pause))
            found = together(walks, worked_by(process.pid) - before)
        finally:
            process.terminate()
            process.wait(timeout=20)
    _show_crowd(walks, found)
    if chosen.json:
        say(json_line("dashboard", chosen.quick, timed=timed, crowd=found, index=seconds))


def _indexed(url: str, officer: Staff) -> float:
    """Seconds until every entry of the log was read, verified and indexed; once for a log, in the background."""
    started = perf_counter()
    with chromium() as browser:
        here = Visitor.come(browser, url)
        here.sign_in(officer.account, PASSWORD)
        here.choose(purpose_text(officer.purpose))
        here.open("audit-log")
        here.page.get_by_text("in the background").wait_for(state="detached", timeout=1000 * _INDEXED_S)
        here.leave()
    return perf_counter() - started


def _show_pages(timed: Sequence[Timed], index: float) -> None:
    say(f"The log was read, verified and indexed, once, in {index:.0f} s.")
    rows = [(one.what, f"{one.median:.2f}", f"{max(one.seconds):.2f}", f"{one.first:.2f}", f"{median(one.work):.2f}")
            for one in timed]  # fmt: skip
    table("One person in a browser, seconds", ("page", "median", "worst", "first after a start", "of a core"), rows)


def _show_crowd(walks: Sequence[Walk], found: Crowd) -> None:
    say(f"{found.people} people at once, {found.steps} steps: p50 {found.p50:.2f} s, p95 {found.p95:.2f} s, "
        f"worst {found.worst:.2f} s ({found.slowest}); {found.work:.2f} s of a core each.")  # fmt: skip
    by_step: dict[str, list[float]] = {}
    for walk in walks:
        for step, seconds in walk.steps:
            by_step.setdefault(step, []).append(seconds)
    counts = [(step, str(len(own)), f"{median(own):.2f}", f"{max(own):.2f}") for step, own in by_step.items()]
    table("All at once, seconds", ("step", "times", "median", "worst"), counts)
    say(f"{found.named} patients were named to those who treat them, {found.strangers} to anybody else; "
        f"{found.faults} pages were an error.")  # fmt: skip
    for walk in walks:
        for step in dict.fromkeys(walk.faults):
            say(f"an error for {walk.who.account} ({walk.who.role}): {step}")


if __name__ == "__main__":
    parser = ArgumentParser(description="The dashboard of a large hospital: pages, searches, many people at once.")
    parser.add_argument("--work", type=Path, required=True, help="folder of the workspace, made once")
    parser.add_argument("--stage", type=Path, help="a stage to begin from, as 'make docs' leaves one; made without")
    parser.add_argument("--notes", type=int, default=NOTES, help=f"{NOTES:,} by default")
    parser.add_argument("--entries", type=int, default=ENTRIES, help=f"of the log; {ENTRIES:,} by default")
    parser.add_argument("--people", type=int, default=PEOPLE, help=f"at once; {PEOPLE} by default, 5 at least")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"sessions of each role; {ROUNDS} by default")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"of the crowd; {SECONDS:.0f} by default")
    parser.add_argument("--pause", type=float, default=PAUSE, help=f"mean seconds on a page; {PAUSE:g} by default")
    parser.add_argument("--quick", action="store_true", help="a small hospital: a look, not a measurement")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    if options.quick:
        options.notes, options.entries, options.people, options.rounds, options.seconds = 4000, 10_000, 10, 1, 30.0
    run(options)
