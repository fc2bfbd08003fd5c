"""Machine code on disk, so that the next process does not compile it again.

What can write to the folder can run code as this user. So the folder belongs to the user, and no
one else can write to it, or it is not used. A file appears whole or not at all. It begins with
digests of what it was made from and of the code: what is damaged, foreign or old is not used.
"""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

__all__ = ["load", "save"]

_VARIABLE = "DLGRADIENT_CACHE"
_SUFFIX = ".kernel"
MAX_FILES = 1000  # a program needs some tens; a kernel has some kilobytes


def load(source: str) -> bytes | None:
    """Return the machine code of a source; None if it is not there."""
    folder = _folder()
    if folder is None:
        return None
    key = sha256(source.encode()).digest()
    try:
        content = _file(folder, key).read_bytes()
    except OSError:
        return None
    code = content[2 * len(key) :]
    return code if content == _sealed(key, code) else None


def save(source: str, code: bytes) -> None:
    """Save the machine code of a source."""
    folder = _folder()
    if folder is None:
        return
    import tempfile

    key = sha256(source.encode()).digest()
    # A full disk, or a folder that is gone, costs the next process a compilation.
    with suppress(OSError):
        handle, name = tempfile.mkstemp(dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_sealed(key, code))
            Path(name).replace(_file(folder, key))
        finally:
            Path(name).unlink(missing_ok=True)
        _limit(folder)


def _file(folder: Path, key: bytes) -> Path:
    return folder / f"{key.hex()}{_SUFFIX}"


def _sealed(key: bytes, code: bytes) -> bytes:
    return key + sha256(key + code).digest() + code


def _limit(folder: Path) -> None:
    """Remove the oldest files of too many."""
    with os.scandir(folder) as entries:  # at each save: a path of each file takes a millisecond
        if sum(1 for _ in entries) <= MAX_FILES:
            return
    files = list(folder.glob(f"*{_SUFFIX}"))
    if len(files) > MAX_FILES:
        files.sort(key=lambda file: file.stat().st_mtime)
        for file in files[: len(files) - MAX_FILES // 2]:
            file.unlink(missing_ok=True)


@cache
def _folder() -> Path | None:
    """Return the folder; None if it cannot be used, of which it warns once."""
    import tempfile

    given = os.environ.get(_VARIABLE)
    folder = Path(given) if given else _usual_folder() / "dlgradient"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fault = _fault(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        fault = str(error)
    if not fault:
        return folder
    warnings.warn(
        f"dlgradient compiles its kernels in each process again: the folder {folder} cannot be "
        f"used ({fault}); set {_VARIABLE} to another one",
        RuntimeWarning,
        stacklevel=2,
    )
    return None


def _fault(folder: Path) -> str:
    """Return why someone else can write to a folder."""
    if sys.platform == "win32":
        return ""  # the folder of a user's programs is the user's
    found = folder.stat()
    if found.st_uid != os.geteuid():
        return "it belongs to another user"
    return "others can write to it; chmod 700 changes that" if found.st_mode & 0o022 else ""


def _usual_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
