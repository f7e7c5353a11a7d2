"""Many people at once before one dashboard: each walks through the pages of a role, and reads for a while on each."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from bench.large import FAMILY, Staff, name_of
from bench.person import Person, cookie_of
from bench.stage import PASSWORD
from policies.decisions import purpose_text
from policies.policy import Role

_NAMED = re.compile(rf"{FAMILY}(\d{{6}})".encode())
_PAGES = {
    Role.COMPLIANCE_OFFICER: (
        "audit-log", "patient-access", "broken-glass", "patient-disclosures", "deid-certificates", "privacy-budget",
        "policy-in-words", "review-queue",
    ),
    Role.HOSPITAL_IT: (
        "training-run", "federation-status", "signed-models", "deid-jobs", "key-list", "policy-file", "account-list",
    ),
    Role.DATA_STEWARD: ("training-run", "federation-status", "study-plans", "privacy-budget"),
}  # fmt: skip


@dataclass
class Walk:
    """What one person met.

    Attributes:
        steps: what was asked for, and seconds until all of it was there.
        strangers: numbers of patients whose name came, and whom this person does not treat.
        faults: pages that were no page.
    """

    who: Staff
    steps: list[tuple[str, float]] = field(default_factory=list)
    strangers: set[int] = field(default_factory=set)
    named: set[int] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


async def crowd(url: str, people: Sequence[Staff], seconds: float, pause: float) -> list[Walk]:
    """Let everybody walk at the same time.

    Args:
        pause: mean seconds that somebody looks at a page before the next click; from none to twice as many.
    """
    walks = [Walk(one) for one in people]
    until = perf_counter() + seconds
    await asyncio.gather(*(_walk(url, walk, until, pause, random.Random(walk.who.account)) for walk in walks))
    return walks


async def _walk(url: str, walk: Walk, until: float, pause: float, chance: random.Random) -> None:
    await asyncio.sleep(chance.uniform(0, 4 * pause))
    cookie = await asyncio.to_thread(cookie_of, url, walk.who.account, PASSWORD)
    person = await Person.come(url, cookie)
    try:
        await person.open("")
        if person.shows("button", "Go on"):
            await person.pick("Purpose of use", purpose_text(walk.who.purpose))
            await person.press("Go on")
        while perf_counter() < until:
            async for step, seconds in _round(person, walk.who, chance):
                _look(walk, step, seconds, b"".join(person.received))
                await asyncio.sleep(chance.uniform(0, 2 * pause))
                if perf_counter() > until:
                    break
    finally:
        await person.link.close()


def _look(walk: Walk, step: str, seconds: float, received: bytes) -> None:
    """Keep how long it took, and whose names came."""
    walk.steps.append((step, seconds))
    named = {int(number) for number in _NAMED.findall(received)}
    walk.named |= named
    walk.strangers |= named - walk.who.own
    if b"A fault of Confide" in received or b"no policy lets" in received:
        walk.faults.append(step)


async def _round(person: Person, who: Staff, chance: random.Random) -> AsyncIterator[tuple[str, float]]:
    """One way through the pages of a role."""
    if who.role is Role.CLINICIAN:
        name = name_of(chance.choice(sorted(who.own)))
        yield await _timed("patient-list", person.open("patient-list"))
        yield await _timed("patient-list, search", person.write("Name, date of birth", name))
        yield await _timed("patient-list, a patient", person.press(name))
        yield await _timed("patient-note", person.press("Open this note"))
        yield await _timed("patient-record", person.open("patient-record"))
        yield await _timed("one-look", person.open("one-look"))
    for page in _PAGES.get(who.role, ()):
        yield await _timed(page, person.open(page))


async def _timed(step: str, work: Awaitable[None]) -> tuple[str, float]:
    started = perf_counter()
    await work
    return step, perf_counter() - started
