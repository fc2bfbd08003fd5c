"""Files of the safetensors format: a header in JSON, then the data of named arrays.

The header says dtype, shape and place of each array. Nothing in a file is believed: before memory
is taken, all places are compared with the size of the file. So a file can cost no more memory than
a small multiple of its own size.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dlgradient.core.types import Array
from dlgradient.errors import InvalidArgumentError, InvalidFileError
from dlgradient.network.files import FilePath, whole_file

__all__ = ["parsed", "read_arrays", "write_arrays"]

# The parsed header takes up to 25 times its size; networks of a thousand layers need 1 MB.
LONGEST_HEADER = 1 << 25
DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    **{f"{kind.upper()}{8 * n}": np.dtype(f"<{kind}{n}") for kind in "iu" for n in (1, 2, 4, 8)},
    **{f"F{8 * n}": np.dtype(f"<f{n}") for n in (2, 4, 8)},
    "C64": np.dtype("<c8"),
    # The upper half of a float32.
    "BF16": np.dtype("<u2"),
}
NAMES = {dtype: name for name, dtype in DTYPES.items() if name != "BF16"}


class Entry(NamedTuple):
    """What the header says of an array."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


def write_arrays(path: FilePath, arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write arrays and texts to a file.

    Parameters
    ----------
    path : str or path
    arrays : mapping
        Of bool, integers, float16, float32, float64 or complex64.
    metadata : mapping
    """
    # Arrays with long elements come first: so the place of each is a multiple of its element.
    ordered = sorted(arrays.items(), key=lambda item: -item[1].dtype.itemsize)
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    start = 0
    for name, array in ordered:
        stop = start + array.nbytes
        header[name] = {
            "dtype": NAMES[array.dtype.newbyteorder("<")],
            "shape": list(array.shape),
            "data_offsets": [start, stop],
        }
        start = stop
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > LONGEST_HEADER:
        raise InvalidArgumentError(
            f"save: names, numbers and texts take {len(text):,} bytes, the most is "
            f"{LONGEST_HEADER:,}; make long lists of numbers arrays"
        )
    with whole_file(path) as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for _, array in ordered:
            little = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
            file.write(little.reshape(-1).view(np.uint8).data)


def read_arrays(path: FilePath) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the arrays and the texts of a file.

    Parameters
    ----------
    path : str or path

    Raises
    ------
    InvalidFileError
        If it is no such file, or a damaged one.
    """
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > min(size - 8, LONGEST_HEADER):
            raise InvalidFileError(f"{path}: {_strange_start(start, size, length)}")
        header = parsed(file.read(length), str(path))
        if not isinstance(header, dict):
            raise InvalidFileError(f"{path}: the header is not a JSON object")
        metadata = header.pop("__metadata__", {})
        if not _are_texts(metadata):
            raise InvalidFileError(f"{path}: __metadata__ must hold texts by name")
        entries = [_entry(path, name, item) for name, item in header.items()]
        _check_places(path, entries, size - 8 - length)
        arrays = {e.name: _read(path, file, 8 + length, e) for e in entries}
    return arrays, metadata


def _strange_start(start: bytes, size: int, length: int) -> str:
    torch = "if PyTorch wrote it, use import_weights_from_torch(net, path)"
    if start.startswith(b"PK\x03\x04"):
        return f"this is a zip file; {torch}; if NumPy did, numpy.load(path)"
    if start.startswith(b"\x80"):
        return f"this is a pickle, which runs code when it is loaded; {torch}"
    return (
        f"the header should have {length:,} bytes, in a file of {size:,}; the file is not a "
        "safetensors file, or it is damaged"
    )


def parsed(text: bytes | str, where: str) -> Any:
    """Return what a text in JSON says, if it is valid: no name twice, no huge number or depth.

    Parameters
    ----------
    text : bytes or str
    where : str
        For errors.
    """
    try:
        found = text.decode() if isinstance(text, bytes) else text
        return json.loads(found, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        deep = isinstance(error, RecursionError)
        reason = "it is nested too deeply" if deep else error.args[0]
        raise InvalidFileError(f"{where}: the description is not valid JSON: {reason}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InvalidFileError("a name occurs twice")
    return found


def _refuse_constant(name: str) -> Any:
    raise InvalidFileError(f"{name} is no number")


def _are_texts(metadata: object) -> bool:
    return isinstance(metadata, dict) and all(isinstance(v, str) for v in metadata.values())


def _entry(path: FilePath, name: str, item: Any) -> Entry:
    """Return what the header says of an array, checked."""
    if not isinstance(item, dict) or item.keys() != {"dtype", "shape", "data_offsets"}:
        raise InvalidFileError(f"{path}: {name!r} needs dtype, shape and data_offsets")
    dtype, shape, places = item["dtype"], item["shape"], item["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise InvalidFileError(
            f"{path}: {name!r} has the dtype {dtype!r}; known are {', '.join(DTYPES)}"
        )
    if not _are_counts(shape) or len(shape) > 32 or not _are_counts(places) or len(places) != 2:
        raise InvalidFileError(f"{path}: shape or data_offsets of {name!r} are no sizes")
    needed = math.prod(shape) * DTYPES[dtype].itemsize
    if needed != places[1] - places[0]:
        raise InvalidFileError(
            f"{path}: {name!r} of shape {tuple(shape)} and dtype {dtype} needs {needed:,} bytes, "
            f"its data_offsets {places} have {places[1] - places[0]:,}"
        )
    return Entry(name, dtype, tuple(shape), *places)


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and all(
        type(n) is int and 0 <= n < 1 << 62 for n in values[:33]
    )


def _check_places(path: FilePath, entries: list[Entry], size: int) -> None:
    """Raise the error for arrays that overlap, leave holes, or do not fill the file."""
    end = 0
    for entry in sorted(entries, key=lambda e: (e.start, e.stop)):
        if entry.start != end:
            what = "overlaps another array" if entry.start < end else "follows a hole"
            raise InvalidFileError(f"{path}: {entry.name!r} {what}, at byte {entry.start:,}")
        end = entry.stop
    if end != size:
        raise InvalidFileError(
            f"{path}: the arrays have {end:,} bytes, the file has {size:,} for them; "
            + ("it is cut off" if end > size else "something follows them")
        )


def _read(path: FilePath, file: BufferedReader, base: int, entry: Entry) -> Array:
    dtype = DTYPES[entry.dtype]
    try:
        array = np.empty(entry.shape, dtype)
    except ValueError as error:  # no elements, and sizes that no array has
        raise InvalidFileError(f"{path}: {entry.name!r}: {error}") from None
    file.seek(base + entry.start)
    memory = array.reshape(-1).view(np.uint8)
    if file.readinto(memory.data) != memory.size:
        raise InvalidFileError(f"{path}: the file ends in {entry.name!r}")
    if entry.dtype == "BOOL" and memory.size and memory.max() > 1:
        raise InvalidFileError(f"{path}: {entry.name!r} has elements that are no truth values")
    if entry.dtype == "BF16":
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(dtype.newbyteorder("="), copy=False)
