"""Tables in SQLite and in PostgreSQL: the same promises on both."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from policies.database import VARIABLE, Database, image_of, load, there, url_of
from policies.errors import InputError, IntegrityError, PolicyError, StorageError

METADATA = sql.MetaData()
NUMBERS = sql.Table("numbers", METADATA, sql.Column("id", sql.Integer, primary_key=True))

# Adds one where it sees fewer than ten, slowly, so that two of them would both see nine.
PROGRAM = """if True:
    import sys, time
    import sqlalchemy as sql
    from policies.database import Database
    database = Database(sys.argv[1], "numbers")
    print("ready", flush=True); input()
    for _ in range(10):
        with database.transaction() as link:
            count = link.execute(sql.text("SELECT count(*) FROM numbers")).scalar_one()
            if count < 10:
                time.sleep(0.01)
                link.execute(sql.text("INSERT INTO numbers VALUES (:id)"), {"id": count})
"""


def opened(tmp_path: Path, owner: str = "north/numbers") -> Database:
    database = Database(url_of(owner, tmp_path / "numbers.sqlite"), "list of numbers")
    with database.transaction() as link:
        METADATA.create_all(link)
    return database


def count(database: Database) -> int:
    with database.transaction() as link:
        return len(link.execute(sql.select(NUMBERS)).all())


@pytest.mark.usefixtures("backend")
def test_a_transaction_is_whole_or_nothing(tmp_path: Path) -> None:
    database = opened(tmp_path)
    with pytest.raises(ZeroDivisionError), database.transaction() as link:
        link.execute(sql.insert(NUMBERS).values(id=1))
        _ = 1 / 0
    assert count(database) == 0


@pytest.mark.usefixtures("backend")
def test_two_processes_never_both_see_the_same_room(tmp_path: Path) -> None:
    database = opened(tmp_path)
    url = url_of("north/numbers", tmp_path / "numbers.sqlite")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen([sys.executable, "-c", PROGRAM, url], **pipes) for _ in range(2)]  # type: ignore[call-overload]
    for one in both:
        assert one.stdout.readline() == "ready\n"
    for one in both:
        one.stdin.write("\n")
        one.stdin.flush()
    assert [one.wait(timeout=60) for one in both] == [0, 0] and count(database) == 10


def test_owners_have_tables_of_their_own(tmp_path: Path, backend: str) -> None:
    if backend == "sqlite":
        pytest.skip("there each has a file")
    north, river = opened(tmp_path), opened(tmp_path, "river/" + "x" * 80)
    with north.transaction() as link:
        link.execute(sql.insert(NUMBERS).values(id=1))
    assert (count(north), count(river)) == (1, 0)


def test_a_pooler_that_loses_the_schema_is_refused(tmp_path: Path, backend: str) -> None:
    """In transaction mode a connection that another owner used, or a bare one, would answer for this owner."""
    if backend == "sqlite":
        pytest.skip("there nothing stands between")
    database = opened(tmp_path)

    def lose(link: Any, *_: object) -> None:
        link.execute("SET search_path TO public")
        link.commit()

    sql.event.listen(database.engine, "checkout", lose)
    try:
        with pytest.raises(PolicyError, match="drops the options of a connection"):
            count(database)
    finally:
        sql.event.remove(database.engine, "checkout", lose)
        database.engine.dispose()
    assert count(database) == 0


def test_a_pool_without_a_free_connection_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = opened(tmp_path)
    engine = sql.create_engine(
        database.engine.url, poolclass=sql.QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.01
    )
    monkeypatch.setattr(database, "engine", engine)
    with engine.connect(), pytest.raises(StorageError, match="list of numbers has no free connection"):
        count(database)
    assert count(database) == 0


@pytest.mark.parametrize("url", ["mysql://localhost/x", "no url", "sqlite:///here.sqlite"])
def test_what_is_no_postgresql_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv(VARIABLE, url)
    with pytest.raises(PolicyError, match="names no PostgreSQL database"):
        url_of("north/numbers", tmp_path / "numbers.sqlite")


def test_a_server_that_is_away_is_a_sentence_without_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "postgresql+psycopg://confide:geheim@127.0.0.1:1/confide")
    with pytest.raises(StorageError, match="list of numbers cannot be used") as refused:
        opened(tmp_path)
    assert "geheim" not in str(refused.value)


def test_another_file_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "numbers.sqlite").write_bytes(b"text" * 1000)
    with pytest.raises(IntegrityError, match="no list of numbers"):
        opened(tmp_path)


@pytest.mark.usefixtures("backend")
def test_tables_become_a_file_and_a_file_tables(tmp_path: Path) -> None:
    """What a backup holds is one image whatever the backend; numbers that are given go on after it."""
    database = opened(tmp_path)
    with database.transaction() as link:
        link.execute(sql.insert(NUMBERS), [{"id": 3}, {"id": 7}])
    (tmp_path / "image.sqlite").write_bytes(image_of(url_of("north/numbers", tmp_path / "numbers.sqlite")))
    again = url_of("river/numbers", tmp_path / "again.sqlite")
    assert load(tmp_path / "image.sqlite", again) == 2
    with Database(again, "list of numbers").transaction() as link:
        assert link.execute(sql.select(NUMBERS.c.id).order_by(NUMBERS.c.id)).scalars().all() == [3, 7]
        assert link.execute(sql.insert(NUMBERS)).inserted_primary_key == (8,)
    with pytest.raises(InputError, match="'numbers' there holds something else"):
        load(tmp_path / "image.sqlite", again)


@pytest.mark.usefixtures("backend")
def test_looking_makes_no_file(tmp_path: Path, backend: str) -> None:
    url = url_of("north/numbers", tmp_path / "numbers.sqlite")
    assert there(url) is (backend == "postgresql") and not (tmp_path / "numbers.sqlite").exists()
