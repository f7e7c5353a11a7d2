"""The privacy budget of one hospital's patients: every private release over all rounds, runs, models and studies.

A release is booked before its first private gradient is computed and counts from then on, whatever becomes of the
process: nothing is ever taken back. The ledger is handed its accountant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sql

from policies.errors import BudgetError, IntegrityError, StorageError
from policies.releases import PoissonSampledGaussian, epsilon_text

Accountant = Callable[[Sequence[PoissonSampledGaussian], float], float]
SCHEMA_VERSION = 1
_PATIENCE = 60  # seconds that a booking waits while another one's accountant computes

_metadata = sql.MetaData()
_spending = sql.Table(
    "spending",
    _metadata,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("plan", sql.String(64), nullable=False),
    sql.Column("round", sql.Integer, nullable=False),
    sql.Column("sigma", sql.String(32), nullable=False),
    sql.Column("rate", sql.String(32), nullable=False),
    sql.Column("steps", sql.Integer, nullable=False),
    sql.Column("time", sql.String(40), nullable=False),
)
_version = sql.Table("version", _metadata, sql.Column("number", sql.Integer, primary_key=True))


@dataclass(frozen=True)
class Spending:
    """One booked release: of which plan and round, and when."""

    plan: str
    round: int
    release: PoissonSampledGaussian
    time: str


class Ledger:
    """What a cohort's patients have been exposed to, and the cap above it.

    Args:
        url: an SQLAlchemy URL.
        accountant: gives the epsilon of a list of releases at a delta.
        epsilon: the cap.
        delta: fixed for the life of the cohort.

    Raises:
        StorageError: the disk or the database refuses, or another booking did not end in a minute.
        IntegrityError: what stands there is no ledger of this version.
    """

    def __init__(self, url: str, accountant: Accountant, *, epsilon: float, delta: float) -> None:
        embedded = sql.make_url(url).get_backend_name() == "sqlite"
        self._engine = sql.create_engine(url, connect_args={"timeout": _PATIENCE} if embedded else {})
        self._accountant, self.cap, self.delta = accountant, epsilon, delta
        if embedded:
            # A write takes the lock when it begins, so that two trainings never both see the same room.
            sql.event.listen(self._engine, "begin", lambda link: link.exec_driver_sql("BEGIN IMMEDIATE"))
        with self._transaction() as link:
            _metadata.create_all(link)
            number = link.execute(sql.select(_version.c.number)).scalar()
            if number is None:
                link.execute(sql.insert(_version).values(number=SCHEMA_VERSION))
            elif number != SCHEMA_VERSION:
                raise IntegrityError(f"the ledger is of version {number}, this program knows {SCHEMA_VERSION}")

    def spendings(self) -> list[Spending]:
        """All booked releases, the oldest first."""
        with self._transaction() as link:
            return self._read(link)

    def spent(self) -> float:
        """Epsilon of all booked releases together."""
        return self._accountant([spending.release for spending in self.spendings()], self.delta)

    def afford(self, releases: Sequence[PoissonSampledGaussian]) -> float:
        """Epsilon of what was spent and these releases together; nothing is booked.

        Raises:
            BudgetError: it would exceed the cap.
        """
        return self._check([spending.release for spending in self.spendings()], releases)

    def book(self, plan: str, round_number: int, release: PoissonSampledGaussian) -> float:
        """Count a release as spent, and return the epsilon of all releases so far.

        Raises:
            BudgetError: the cap would be exceeded; nothing is booked.
        """
        with self._transaction() as link:
            epsilon = self._check([spending.release for spending in self._read(link)], [release])
            row = {"plan": plan, "round": round_number, "time": datetime.now(UTC).isoformat(timespec="seconds")}
            row |= {"sigma": release.sigma, "rate": release.rate, "steps": release.steps}
            link.execute(sql.insert(_spending).values(**row))
        return epsilon

    @contextmanager
    def _transaction(self) -> Iterator[sql.Connection]:
        try:
            with self._engine.begin() as link:
                yield link
        except sql.exc.OperationalError as error:
            raise StorageError(f"{self._engine.url}: the ledger cannot be used ({error.orig})") from error
        except sql.exc.DatabaseError as error:
            raise IntegrityError(f"{self._engine.url}: this is no ledger ({error.orig})") from error

    def _check(self, spent: Sequence[PoissonSampledGaussian], more: Sequence[PoissonSampledGaussian]) -> float:
        epsilon = self._accountant([*spent, *more], self.delta)
        if not epsilon <= self.cap:
            before = epsilon_text(self._accountant(list(spent), self.delta))
            raise BudgetError(
                f"this would bring epsilon from {before} to {epsilon_text(epsilon)}, over the policy's {self.cap:g}",
                "Plan fewer rounds or more noise, or let the compliance officer decide on the policy's 'epsilon'; "
                "'confide budget show' lists what was spent.",
            )
        return epsilon

    @staticmethod
    def _read(link: sql.Connection) -> list[Spending]:
        rows = link.execute(sql.select(_spending).order_by(_spending.c.id))
        return [
            Spending(row.plan, row.round, PoissonSampledGaussian(row.sigma, row.rate, row.steps), row.time)
            for row in rows
        ]
