"""A PostgreSQL of the test session on loopback, and a database for each test that wants one."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sql

from policies.database import VARIABLE

_DEBIANS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
_NUMBERS = count()


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join([*map(str, _DEBIANS), os.environ.get("PATH", "")]))


def _as_nobody_special() -> dict[str, object]:
    """PostgreSQL refuses to run as root; Debian's package brings an account for it."""
    if os.getuid() != 0:
        return {}
    account = pwd.getpwnam("postgres")
    return {"user": account.pw_uid, "group": account.pw_gid}


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that holds nothing."""
    initdb, server = _program("initdb"), _program("postgres")
    try:
        account = _as_nobody_special()
    except KeyError:
        pytest.skip("no account 'postgres' to run PostgreSQL as")
    if not initdb or not server:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    root = Path("/tmp") / f"confide-postgresql-{os.getpid()}"  # its own account has to reach it
    root.mkdir(mode=0o700)
    if account:
        os.chown(root, account["user"], account["group"])  # type: ignore[arg-type]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    wanted = ("listen_addresses=127.0.0.1", f"unix_socket_directories={root}", "fsync=off", "max_connections=500")
    settings = [word for one in wanted for word in ("-c", one)]  # connections of one test stay open in the next
    try:
        made = [initdb, "-D", str(root / "data"), "-U", "confide", "-A", "trust", "--no-sync", "-E", "UTF8"]
        subprocess.run(made, check=True, capture_output=True, cwd="/", **account)  # type: ignore[call-overload]
        run = [server, "-D", str(root / "data"), "-p", str(port), *settings]
        log = (root / "log").open("wb")
        process = subprocess.Popen(run, stdout=log, stderr=log, cwd="/", **account)  # type: ignore[call-overload]
        try:
            url = f"postgresql+psycopg://confide@127.0.0.1:{port}/postgres"
            _wait_for(url)
            yield url
        finally:
            process.send_signal(signal.SIGINT)  # at once, whoever is connected
            process.wait(timeout=30)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _wait_for(url: str) -> None:
    engine = sql.create_engine(url, poolclass=sql.NullPool)
    until = time.monotonic() + 30
    while True:
        try:
            with engine.connect():
                return
        except sql.exc.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whatever asks `url_of` for tables gets them in a SQLite file, and then in a PostgreSQL database of its own."""
    name: str = request.param
    monkeypatch.delenv(VARIABLE, raising=False)
    if name == "postgresql":
        server = sql.make_url(request.getfixturevalue("postgresql"))
        database = f"test{next(_NUMBERS)}"
        with sql.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sql.NullPool).connect() as link:
            link.exec_driver_sql(f"CREATE DATABASE {database}")
        monkeypatch.setenv(VARIABLE, server.set(database=database).render_as_string(hide_password=False))
    return name
