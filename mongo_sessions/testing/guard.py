"""Run mongod until standard input ends, then delete its folder.

A script that imports the standard library alone: ``python -I -S guard.py FOLDER COMMAND...``. The
parent holds the other end of standard input. The operating system closes that end when the parent
exits or is killed.

FOLDER gets a file ``pid`` with the process id of the command. If the command exits by itself, the
folder stays, and the exit code is the command's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path


def main(folder: Path, command: list[str]) -> int:
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - from mongod.py
    (folder / "pid").write_text(f"{server.pid}\n")
    is_released = threading.Event()

    def watch() -> None:
        os.read(0, 1)  # not sys.stdin: its lock would be held when the interpreter shuts down
        is_released.set()
        server.kill()

    threading.Thread(target=watch, daemon=True).start()
    code = server.wait()
    if is_released.is_set():
        os.closerange(1, 3)  # the log: Windows does not delete an open file
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # another member of the replica set is in the folder around it
            folder.parent.rmdir()
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
