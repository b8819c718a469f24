"""One mongod process: start, kill, pause, remove."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .program import find_mongod

if TYPE_CHECKING:
    from collections.abc import Sequence

if sys.platform == "win32":
    _NEW_GROUP = subprocess.CREATE_NEW_PROCESS_GROUP
else:
    _NEW_GROUP = 0

_GUARD = Path(__file__).with_name("guard.py")

# A transaction may fill a fixed part of the cache; beyond it, the server answers 388,
# TransactionTooLargeForCache. 0.25 is too small for one item of 16 MB, and 0.5 for a batch of four
# (64 MB). It is a limit, not a reservation: a member takes 130 MB when it starts, and 0.7 GB after
# such a batch.
_CACHE_GB = "1"

_STOP_SECONDS = 15.0
_PID_SECONDS = 10.0
_PAUSE_SECONDS = 2.0

# The dynamic linker's message, in the log of a mongod that does not start.
_LIBRARY_IS_MISSING = "error while loading shared libraries"
_INSTALL_LIBRARIES = (
    "\nThe mongod of the wheel needs libcurl 4 and OpenSSL 3: apt-get install libcurl4, or "
    "dnf install libcurl"
)


class Mongod:
    """A mongod on a free loopback port, with its data in ``folder``.

    It can be killed and started again with the same data: for tests of failures.

    Attributes:
        address: Its ``host:port``.
    """

    def __init__(self, folder: Path, arguments: Sequence[str]) -> None:
        self._folder = folder
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        data = folder / "data"
        data.mkdir(parents=True)
        self._command = [find_mongod(), "--dbpath", str(data), "--port", str(port)]
        self._command += ["--bind_ip", "127.0.0.1", "--wiredTigerCacheSizeGB", _CACHE_GB]
        if sys.platform != "win32":
            self._command.append("--nounixsocket")
        self._command += arguments
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r})"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it with its data, and return before it accepts connections."""
        if self.is_running:
            return
        self._pid_file.unlink(missing_ok=True)
        guard = [sys.executable, "-I", "-S", str(_GUARD)]
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the command is ours
                [*guard, str(self._folder), *self._command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # Ctrl-C must not reach mongod: only the end of the block stops it.
                start_new_session=True,  # ignored on Windows
                creationflags=_NEW_GROUP,
            )

    def kill(self) -> None:
        """Kill the process as a power failure would: SIGKILL, or TerminateProcess on Windows."""
        self._signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
        if self._process is not None:
            self._process.wait(_STOP_SECONDS)
            self._hang_up()

    def pause(self) -> None:
        """Stop the process with its connections open (SIGSTOP), until :meth:`resume`.

        Raises:
            NotImplementedError: on Windows, which has no such signal.
        """
        if sys.platform == "win32":
            raise NotImplementedError("a mongod cannot be paused on Windows: it has no SIGSTOP")
        self._signal(signal.SIGSTOP)
        # A thread that waits for a processor stops only when it gets one. Only Linux shows this.
        deadline = time.monotonic() + _PAUSE_SECONDS
        while self._has_running_threads() and time.monotonic() < deadline:
            time.sleep(0.001)

    def resume(self) -> None:
        """Continue a paused process; a running one is left as it is."""
        if sys.platform != "win32":
            self._signal(signal.SIGCONT)

    def remove(self) -> None:
        """Kill the process and delete its data."""
        if self._process is not None:
            self._hang_up()
            self._process.wait(_STOP_SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)

    def failure(self) -> RuntimeError:
        """The error to raise if it does not start, with the end of its log."""
        code = None if self._process is None else self._process.poll()
        end = self._log_file.read_text(errors="replace")[-2000:]
        advice = _INSTALL_LIBRARIES if _LIBRARY_IS_MISSING in end else ""
        return RuntimeError(
            f"mongod does not start (exit code {code}). The end of its log:\n{end}{advice}"
        )

    def _signal(self, number: signal.Signals) -> None:
        if self.is_running:
            os.kill(self._pid(), number)

    def _has_running_threads(self) -> bool:
        threads = Path(f"/proc/{self._pid()}/task").glob("*/stat") if self.is_running else ()
        # The state follows the name, which is in brackets and may contain anything.
        return any(not _text_of(stat).rpartition(") ")[2].startswith("T") for stat in threads)

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


def _text_of(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
