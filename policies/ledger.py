"""The privacy budget of one hospital's patients: every private release over all rounds, runs, models and studies.

A release is reserved before anything is computed for it, and counts from then on. It is spent before its private
gradient is computed, and nothing that was spent is ever taken back; a reservation whose round ended before that is
refunded, and its row stays. The ledger is handed its accountant.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import sqlalchemy as sql

from policies.database import Database
from policies.errors import BudgetError, IntegrityError
from policies.files import canonical_json
from policies.releases import Release, epsilon_text, from_details

Accountant = Callable[[Sequence[Sequence[Release]], float], float]
"""From the releases of each plan and a delta to epsilon."""
SCHEMA_VERSION = 2
COHORT = "cohort"  # in the place of a plan: counts of a cohort, whose settings are constants of the program

_metadata = sql.MetaData()
_bookings = sql.Table(
    "bookings",
    _metadata,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("plan", sql.String(64), nullable=False),
    sql.Column("round", sql.Integer, nullable=False),
    sql.Column("release", sql.Text, nullable=False),
    sql.Column("time", sql.String(40), nullable=False),
    sql.Column("state", sql.String(16), nullable=False),
)
_cohort = sql.Table("cohort", _metadata, sql.Column("delta", sql.String(32), primary_key=True))
_version = sql.Table("version", _metadata, sql.Column("number", sql.Integer, primary_key=True))


class State(StrEnum):
    """What became of a booking; all but the refunded ones count."""

    RESERVED = "reserved"
    SPENT = "spent"
    REFUNDED = "refunded"


@dataclass(frozen=True)
class Booking:
    """One release: of which plan and round, since when, and what became of it."""

    id: int
    plan: str
    round: int
    release: Release
    time: str
    state: State

    @property
    def counts(self) -> bool:
        return self.state is not State.REFUNDED


def by_plan(made: Iterable[tuple[str, Release]]) -> list[list[Release]]:
    """The releases of each plan, the oldest plan first; counts of the cohort stand with the plan that was begun next.

    They may, since they lead up to it: its noise was asked for before they were made. They do not stand with the plan
    before them, whose results may have led to counting anew.
    """
    plans: dict[str, list[Release]] = {}
    counts: list[Release] = []
    for plan, release in made:
        if plan == COHORT:
            counts.append(release)
        elif plan in plans:
            plans[plan].append(release)
        else:
            plans[plan], counts = [*counts, release], []
    return [own for own in (*plans.values(), counts) if own]


class Ledger:
    """What a cohort's patients have been exposed to, and the cap above it.

    Args:
        url: of its tables (`policies.database.url_of`).
        accountant: gives the epsilon of the releases of several plans at a delta.
        epsilon: the cap.
        delta: the policy's. The first reservation fixes it for the life of the cohort.

    Raises:
        StorageError: the disk or the database refuses, or another booking did not end in a minute.
        IntegrityError: what stands there is no ledger of this version.
    """

    def __init__(self, url: str, accountant: Accountant, *, epsilon: float, delta: float) -> None:
        self._database = Database(url, "ledger")
        self._accountant, self.cap, self._delta = accountant, epsilon, delta
        with self._database.transaction() as link:
            self._check_version(link)
            _metadata.create_all(link)
            fixed = link.execute(sql.select(_cohort.c.delta)).scalar()
        self.delta = delta if fixed is None else float(fixed)

    def bookings(self) -> list[Booking]:
        """All of them, the oldest first; those that were refunded too."""
        with self._database.transaction() as link:
            return self._read(link)

    def spent(self) -> float:
        """Epsilon of all that counts."""
        return self._accountant(_counted(self.bookings()), self.delta)

    def afford(self, plan: str, releases: Sequence[Release]) -> float:
        """Epsilon of what counts already and these releases of a plan together; nothing is booked.

        Raises:
            BudgetError: it would exceed the cap.
        """
        return self._check(self.bookings(), plan, releases)

    def reserve(self, plan: str, round_number: int, release: Release) -> tuple[Booking, float]:
        """Book a release that is about to be made; it counts from now on.

        Returns:
            The booking, and the epsilon of all that counts.

        Raises:
            BudgetError: the cap would be exceeded, or the policy's delta is not the cohort's; nothing is booked.
        """
        with self._database.transaction() as link:
            epsilon = self._check(self._read(link), plan, [release])
            if link.execute(sql.select(_cohort.c.delta)).scalar() is None:
                link.execute(sql.insert(_cohort).values(delta=repr(self.delta)))
            row = {"plan": plan, "round": round_number, "release": canonical_json(release.as_details()).decode()}
            row |= {"time": datetime.now(UTC).isoformat(timespec="seconds"), "state": State.RESERVED}
            link.execute(sql.insert(_bookings).values(**row))
            return self._read(link)[-1], epsilon

    def spend(self, booking: Booking) -> None:
        """A reserved release is about to look at patients; there is no way back from here."""
        self._settle(booking, State.SPENT)

    def refund(self, booking: Booking) -> None:
        """A reserved release was never computed."""
        self._settle(booking, State.REFUNDED)

    def _settle(self, booking: Booking, state: State) -> None:
        reserved = (_bookings.c.id == booking.id) & (_bookings.c.state == State.RESERVED)
        with self._database.transaction() as link:
            if link.execute(sql.update(_bookings).where(reserved).values(state=state)).rowcount != 1:
                raise IntegrityError(f"booking {booking.id} is not reserved, so it cannot be {state}")

    def _check_version(self, link: sql.Connection) -> None:
        _version.create(link, checkfirst=True)
        number = link.execute(sql.select(_version.c.number)).scalar()
        if number is None:
            link.execute(sql.insert(_version).values(number=SCHEMA_VERSION))
        elif number != SCHEMA_VERSION:
            age = "a newer" if number > SCHEMA_VERSION else "an older"
            raise IntegrityError(
                f"{self._database.engine.url!r}: {age} version of Confide wrote this ledger (version {number}; this "
                f"one knows {SCHEMA_VERSION}), so nothing is trained",
                "Use the version of Confide that wrote it.",
            )

    def _check(self, booked: Sequence[Booking], plan: str, releases: Sequence[Release]) -> float:
        if self._delta != self.delta:
            raise BudgetError(
                f"the policy's delta is {self._delta:g}, and this cohort's is {self.delta:g} for as long as it lives",
                "Set the policy's 'delta' back.",
            )
        if not self.cap > 0:
            raise BudgetError("the policy's epsilon is 0, so nothing is trained")
        epsilon = self._accountant(_counted(booked, [(plan, release) for release in releases]), self.delta)
        if not epsilon <= self.cap:
            before = epsilon_text(self._accountant(_counted(booked), self.delta))
            raise BudgetError(
                f"this would bring epsilon from {before} to {epsilon_text(epsilon)}, over the policy's {self.cap:g}",
                "Plan fewer rounds or more noise, or let the compliance officer decide on the policy's 'epsilon'; "
                "'confide budget show' lists what was spent.",
            )
        return epsilon

    @staticmethod
    def _read(link: sql.Connection) -> list[Booking]:
        rows = link.execute(sql.select(_bookings).order_by(_bookings.c.id))
        try:
            return [
                Booking(row.id, row.plan, row.round, from_details(json.loads(row.release)), row.time, State(row.state))
                for row in rows
            ]
        except ValueError:
            raise IntegrityError("the ledger holds a booking that is none") from None


def _counted(booked: Iterable[Booking], more: Iterable[tuple[str, Release]] = ()) -> list[list[Release]]:
    return by_plan([*((booking.plan, booking.release) for booking in booked if booking.counts), *more])
