"""Files that are whole or not there: written under another name first, then renamed."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypeAlias

from dlgradient.core.kinds import Kind

__all__ = ["FilePath", "whole_file"]


def _path(value: Any) -> str:
    found = os.fspath(value)
    if not isinstance(found, str) or not found or "\0" in found:
        raise TypeError
    return found


FilePath: TypeAlias = Annotated[str | os.PathLike[str], Kind("the path of a file", _path)]


@contextmanager
def whole_file(path: FilePath) -> Iterator[BinaryIO]:
    """Open a file to write, which appears at `path` once it is complete and on the disk.

    If writing fails, as on a full disk, the file that was at `path` is still there, unchanged.
    """
    target = Path(path).resolve()  # a link stays one, and its file is replaced
    working = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.part")
    try:
        with working.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, working)
        working.replace(target)
    except BaseException as error:
        with suppress(OSError):
            working.unlink()
        if isinstance(error, OSError) and target.exists():
            error.add_note(f"{target} is unchanged")
        raise
    _flush_folder(target.parent)


def _flush_folder(folder: Path) -> None:
    """Write the new name to the disk, where the system can; a power cut may undo it elsewhere."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
