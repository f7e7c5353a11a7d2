"""Where tables lie: each in a SQLite file of its own, or all of them in one PostgreSQL database.

$CONFIDE_DATABASE names that database as SQLAlchemy does, such as postgresql+psycopg://confide@db.hospital/confide; its
password belongs into ~/.pgpass. Every owner has a schema there. Whichever it is, transactions of one owner wait for
each other, so that what one of them reads stays true until it has written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import sqlalchemy as sql

from policies.errors import InputError, IntegrityError, PolicyError, StorageError
from policies.files import sha256_hex

VARIABLE = "CONFIDE_DATABASE"
_PATIENCE_S = 60  # that a transaction waits for another one
_LONGEST_NAME = 63  # bytes of a name in PostgreSQL
_OPTION = "-csearch_path="


def url_of(owner: str, file: Path) -> str:
    """The URL of an owner's tables.

    Args:
        owner: whose they are, such as 'north/ledger'; the name of the schema.
        file: where they lie unless $CONFIDE_DATABASE says otherwise.

    Raises:
        PolicyError: $CONFIDE_DATABASE is no URL of a PostgreSQL database.
    """
    if not (chosen := os.environ.get(VARIABLE, "")):
        return "sqlite:///" + quote(str(file.resolve()))
    try:
        url = sql.make_url(chosen)
    except sql.exc.ArgumentError:
        url = sql.URL.create("none")
    if url.get_backend_name() != "postgresql":
        raise PolicyError(
            f"${VARIABLE} names no PostgreSQL database",
            "Set it to one, as postgresql+psycopg://USER@HOST/NAME, or unset it.",
        )
    schema = owner if len(owner.encode()) <= _LONGEST_NAME else sha256_hex(owner.encode())[:_LONGEST_NAME]
    named = url.update_query_dict({"options": f'{_OPTION}"{schema}"'})
    return named.render_as_string(hide_password=False)


class Database:
    """The tables of one owner.

    Args:
        url: as `url_of` gives it, or that of a SQLite file.
        what: it holds, for errors.
    """

    def __init__(self, url: str, what: str) -> None:
        self.engine, self._what = _engine(url), what

    @contextmanager
    def transaction(self) -> Iterator[sql.Connection]:
        """Alone with the tables; whole, or nothing of it.

        Raises:
            StorageError: the disk or the database refuses, or another transaction did not end in a minute.
            IntegrityError: other tables than expected stand there.
            PolicyError: a pooler before PostgreSQL loses whose tables are asked for.
        """
        try:
            with self.engine.begin() as link:
                yield link
        except sql.exc.TimeoutError:  # of the pool
            hint = "Wait a minute; if it stays so, others hold its connections."
            raise StorageError(f"{self.engine.url!r}: the {self._what} has no free connection", hint) from None
        except sql.exc.OperationalError as error:
            raise StorageError(f"{self.engine.url!r}: the {self._what} cannot be used ({error.orig})") from error
        except sql.exc.DatabaseError as error:
            raise IntegrityError(f"{self.engine.url!r}: this is no {self._what} ({error.orig})") from error


def there(url: str) -> bool:
    """Whether an owner's tables may lie there; looking makes no file."""
    made = sql.make_url(url)
    return made.get_backend_name() != "sqlite" or Path(made.database or "").exists()


def image_of(url: str) -> bytes:
    """An owner's tables at one moment, as a SQLite file, whoever writes meanwhile.

    Raises:
        StorageError, IntegrityError: as `Database.transaction`.
    """
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.sqlite"
        _copy(Database(url, "list of tables"), _file(copy))
        return copy.read_bytes()


def load(file: Path, url: str) -> int:
    """Put the tables of a SQLite file into those of an owner, all or none.

    Returns:
        How many rows there are.

    Raises:
        InputError: the owner has tables with other rows already.
        StorageError, IntegrityError: as `Database.transaction`.
    """
    return _copy(_file(file), Database(url, "list of tables"))


def _file(path: Path) -> Database:
    return Database("sqlite:///" + quote(str(path.resolve())), "list of tables")


def _copy(source: Database, target: Database) -> int:
    tables, rows = sql.MetaData(), 0
    with source.transaction() as old, target.transaction() as new:
        tables.reflect(old)
        for column in (column for table in tables.sorted_tables for column in table.columns):
            column.server_default = None  # PostgreSQL's sequences are no part of a SQLite file
        for table in tables.sorted_tables:
            held = [dict(row) for row in old.execute(sql.select(table)).mappings()]
            rows += len(held)
            if sql.inspect(new).has_table(table.name):  # as somebody made it who looked before the move
                _refuse_others(new, table, held)
                table.drop(new)
            table.create(new)
            if held:
                new.execute(sql.insert(table), held)
            _count_on(new, table)
    return rows


def _refuse_others(link: sql.Connection, table: sql.Table, held: list[dict[str, Any]]) -> None:
    if any(dict(row) not in held for row in link.execute(sql.select(table)).mappings()):
        raise InputError(
            f"{link.engine.url!r}: the table '{table.name}' there holds something else", "Name an empty database."
        )


def _count_on(link: sql.Connection, table: sql.Table) -> None:
    """Numbers that PostgreSQL gives go on after those that were copied."""
    column = table.autoincrement_column
    if link.dialect.name == "postgresql" and column is not None:
        highest = link.execute(sql.select(sql.func.max(column))).scalar()
        serial = sql.func.pg_get_serial_sequence(table.name, column.name)
        link.execute(sql.select(sql.func.setval(serial, highest or 1, highest is not None)))


@cache
def _engine(url: str) -> sql.Engine:
    if sql.make_url(url).get_backend_name() == "sqlite":
        # A connection for each transaction: the file may be put back from a backup between two of them.
        engine = sql.create_engine(url, poolclass=sql.NullPool, connect_args={"timeout": _PATIENCE_S})
        # A write takes the lock when it begins, so that two writers never both see the same room.
        sql.event.listen(engine, "begin", lambda link: link.exec_driver_sql("BEGIN IMMEDIATE"))
        return engine
    engine = sql.create_engine(url, pool_pre_ping=True)
    sql.event.listen(engine, "begin", _alone)
    return engine


def _alone(link: sql.Connection) -> None:
    """As SQLite's BEGIN IMMEDIATE: who begins waits until nobody else of this owner is in a transaction."""
    schema = link.exec_driver_sql("SELECT current_setting('search_path')").scalar_one()
    if f"{_OPTION}{schema}" != link.engine.url.query.get("options"):
        raise PolicyError(
            f"{link.engine.url!r}: what stands between Confide and the database drops the options of a connection",
            "Connect to PostgreSQL itself, or through a pooler that keeps them.",
        )
    link.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE_S * 1000:.0f}ms'")
    link.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtextextended(current_setting('search_path'), 0))")
    link.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")
