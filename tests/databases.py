"""Both databases for tests: SQLite, and a throw-away PostgreSQL of Debian's package."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

USER = "postgres"


def binaries() -> Path:
    """The folder of PostgreSQL's programs, 15 or newer; skips the test where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found or int(found[-1].parent.parent.name) < 15:
        pytest.skip("PostgreSQL 15 or newer is not installed (Debian's package postgresql)")
    if os.geteuid() == 0 and not (_has_user() and shutil.which("runuser")):
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres to run it")
    return found[-1].parent


def _has_user() -> bool:
    try:
        pwd.getpwnam(USER)
    except KeyError:
        return False
    return True


class Server:
    """A PostgreSQL server in a folder of its own, for one test session."""

    def __init__(self) -> None:
        self.programs = binaries()
        self.folder = Path(tempfile.mkdtemp(prefix="al-fashion-postgres-", dir="/tmp"))
        if os.geteuid() == 0:
            shutil.chown(self.folder, USER)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._run("initdb", "--auth=trust", f"--username={USER}", "-D", f"{self.folder}/data")
        self.start()

    def start(self) -> None:
        """Start; after a kill that may take until the last of the server's processes has gone."""
        # What is killed here are processes: the operating system keeps what they wrote.
        options = f"-p {self.port} -k {self.folder} -h 127.0.0.1"
        options += " -c max_connections=200 -c fsync=off"
        log = f"{self.folder}/log"
        command = (
            "pg_ctl",
            "-D",
            f"{self.folder}/data",
            "-w",
            "-t",
            "20",
            "-l",
            log,
            "-o",
            options,
            "start",
        )
        for _ in range(5):
            if self._run(*command, check=False) == 0:
                return
            time.sleep(1)
        raise RuntimeError(Path(log).read_text())

    def kill(self) -> None:
        """As a power cut would: every process at once, no shutdown, no checkpoint."""
        file = self.folder / "data" / "postmaster.pid"
        server = file.read_text().split()[0]
        children = subprocess.run(["pgrep", "-P", server], capture_output=True, text=True)
        # The server itself first, or it would start its children anew.
        subprocess.run(["kill", "-9", server, *children.stdout.split()], check=False)
        file.unlink()  # after a power cut its number would be nobody's either

    def stop(self) -> None:
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "stop", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test_{uuid.uuid4().hex}"
        admin = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        admin.dispose()
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/{database}"

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        command = [str(self.programs / program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", USER, "--", *command]
        quiet = subprocess.DEVNULL
        return subprocess.run(
            command, check=check, cwd="/tmp", stdout=quiet, stderr=quiet
        ).returncode


@contextmanager
def postgres() -> Iterator[Server]:
    """A throw-away server; skips the test, saying why, where it cannot run."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (pip install psycopg)")
    server = Server()
    try:
        yield server
    finally:
        server.stop()
