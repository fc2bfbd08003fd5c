"""Files of PyTorch, read without PyTorch and without running what is in them.

Both formats are pickles with data next to them: a zip file, and before PyTorch 1.6 one pickle and
then another. A pickle is a program. Here a small machine runs it, which knows numbers, texts,
lists, dicts and tensors. Everything else is an error that names it.
"""

from __future__ import annotations

import math
import mmap
import os
import pickletools
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dlgradient.core.types import Array, Shape
from dlgradient.errors import InvalidFileError
from dlgradient.network.files import FilePath
from dlgradient.network.safetensors import read_arrays

__all__ = ["read_state_dict", "state_dict_in"]

DTYPES: dict[str, str] = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    "BFloat16Storage": "bf16",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
    "ComplexFloatStorage": "c8",
    "ComplexDoubleStorage": "c16",
}
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
# Where programs put a state_dict among other things of a checkpoint.
USUAL = ("state_dict", "model_state_dict", "model", "net", "module")
# What reading a damaged zip file or pickle may raise.
DAMAGES = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    OverflowError,
    OSError,
    struct.error,
    DeprecationWarning,  # of an escape sequence in a text, where warnings are errors
)


class Storage(NamedTuple):
    """A vector of which tensors are views."""

    key: str
    dtype: str
    length: int


class Tensor(NamedTuple):
    """A view of a storage."""

    storage: Storage
    offset: int
    shape: Shape
    strides: Shape


class _Global(NamedTuple):
    """The name of a class or a function, which is not looked up."""

    module: str
    name: str


class _DamagedError(Exception):
    """Why a file is refused; `read_state_dict` says which file."""


def read_state_dict(path: FilePath) -> dict[str, Array]:
    """Return the arrays of a file of PyTorch or in the safetensors format, by name.

    Parameters
    ----------
    path : str or path

    Raises
    ------
    InvalidFileError
        If the file is damaged, or has something else than tensors, numbers and texts.
    """
    with Path(path).open("rb") as file:
        start = file.read(4)
        if start != b"PK\x03\x04" and start[:1] != b"\x80":
            return read_arrays(path)[0]
        try:
            content = _zip(file) if start == b"PK\x03\x04" else _legacy(file)
        except _DamagedError as error:
            raise InvalidFileError(f"{path}: {error}") from None
        except DAMAGES as error:
            raise InvalidFileError(f"{path}: the file is damaged: {error!r}"[:400]) from None
    return content


# -- the two formats -------------------------------------------------------------------------------


def _zip(file: Any) -> dict[str, Array]:
    size = os.fstat(file.fileno()).st_size
    with zipfile.ZipFile(file) as archive:
        entries = {}
        for info in archive.infolist():
            if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
                raise _DamagedError(f"{info.filename!r} is compressed, which PyTorch never does")
            entries[info.filename] = info
        if sum(info.file_size for info in entries.values()) > size:
            raise _DamagedError("its parts are larger than the file")
        named = [n for n in entries if n == "data.pkl" or n.endswith("/data.pkl")]
        if len(named) != 1:
            if any(n.endswith(".npy") for n in entries):
                raise _DamagedError("this is a file of NumPy; numpy.load reads it")
            raise _DamagedError("it has no data.pkl; it is no file of torch.save")
        root = named[0].removesuffix("data.pkl")
        if f"{root}byteorder" in entries and archive.read(f"{root}byteorder") != b"little":
            raise _DamagedError("its numbers are big-endian, which is not supported")
        tensors = _tensors(_Machine().run(archive.read(named[0])))
        data: dict[Storage, Array] = {}
        for storage in {tensor.storage for tensor in tensors.values()}:
            name = f"{root}data/{storage.key}"
            if name not in entries:
                raise _DamagedError(f"the data {storage.key!r} are missing")
            data[storage] = _numbers(storage, archive.read(name))
    return {name: _array(name, tensor, data) for name, tensor in tensors.items()}


def _legacy(file: Any) -> dict[str, Array]:
    size = os.fstat(file.fileno()).st_size
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        memory.seek(0)
        if _Machine().run(memory) != LEGACY_MAGIC:
            raise _DamagedError("this is a pickle, but not of torch.save, and it is not run")
        if _Machine().run(memory) != 1001:
            raise _DamagedError("it has an unknown version")
        system = _Machine().run(memory)
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise _DamagedError("its numbers are big-endian, which is not supported")
        machine = _Machine()
        tensors = _tensors(machine.run(memory))
        keys = _Machine().run(memory)
        data: dict[Storage, Array] = {}
        for key in keys if isinstance(keys, list) else []:
            storage = machine.storages[key]
            count = int.from_bytes(memory.read(8), "little")
            if count != storage.length or memory.tell() + count > size:
                raise _DamagedError(f"the data {key!r} are cut off")
            data[storage] = _numbers(storage, memory.read(count * _size(storage)))
    return {name: _array(name, tensor, data) for name, tensor in tensors.items()}


def _size(storage: Storage) -> int:
    return 2 if storage.dtype == "bf16" else np.dtype(storage.dtype).itemsize


def _numbers(storage: Storage, raw: bytes) -> Array:
    if len(raw) != storage.length * _size(storage):
        raise _DamagedError(f"the data {storage.key!r} are cut off")
    if storage.dtype == "bf16":
        return (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    found = np.frombuffer(raw, np.dtype(storage.dtype).newbyteorder("<"))
    return found.astype(found.dtype.newbyteorder("="), copy=False)


def _array(name: str, tensor: Tensor, data: Mapping[Storage, Array]) -> Array:
    """Return a tensor as a view of its storage, which is checked to have all its elements."""
    vector = data[tensor.storage]
    count = math.prod(tensor.shape)
    last = sum((n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True))
    if count and (count > len(vector) or tensor.offset + last >= len(vector)):
        raise _DamagedError(f"{name!r} of shape {tensor.shape} is larger than its data")
    if not count:
        return np.empty(tensor.shape, vector.dtype)
    step = vector.itemsize
    return np.lib.stride_tricks.as_strided(
        vector[tensor.offset :], tensor.shape, [step * n for n in tensor.strides], writeable=False
    )


def _tensors(value: Any) -> dict[str, Tensor]:
    """Return the tensors of a state_dict, or of the one in a checkpoint."""
    if not isinstance(value, dict):
        raise _DamagedError(f"it has a {type(value).__name__}, no state_dict")
    found, problem = state_dict_in(value, lambda v: isinstance(v, Tensor))
    if problem:
        raise _DamagedError(problem)
    return found


def state_dict_in(
    value: Mapping[Any, Any], is_tensor: Callable[[Any], bool]
) -> tuple[dict[str, Any], str]:
    """Return the tensors of a state_dict, or of the one in a checkpoint, and what is wrong, or ''.

    Examples
    --------
    >>> state_dict_in({"epoch": 3, "model": {"w": 1.0}}, lambda v: type(v) is float)
    ({'w': 1.0}, '')
    """

    def direct(value: Mapping[Any, Any]) -> dict[str, Any]:
        return {k: v for k, v in value.items() if isinstance(k, str) and is_tensor(v)}

    inner = {k: direct(v) for k, v in value.items() if isinstance(v, Mapping)}
    inner = {k: v for k, v in inner.items() if v}
    for key in USUAL:  # before other tensors, such as that of the last loss
        if key in inner:
            return inner[key], ""
    found = direct(value)
    if not found and len(inner) == 1:
        (found,) = inner.values()
    if found:
        return found, ""
    several = f"it has several state_dicts, {', '.join(map(str, inner))}; give the one you need"
    return {}, several if inner else "it has no tensors"


# -- the machine -----------------------------------------------------------------------------------


class _Machine:
    """Runs a pickle of tensors, numbers, texts, lists and dicts."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def run(self, pickle: Any) -> Any:
        """Return the value of a pickle, and leave a file at its end."""
        for code, argument, _ in pickletools.genops(pickle):
            name = code.name
            if name in _VALUES:
                self.stack.append(argument)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name]())
            elif name in _ACTIONS:
                _ACTIONS[name](self, argument)
            elif name not in ("PROTO", "FRAME", "STOP"):
                raise _DamagedError(
                    f"its pickle uses {name}, which tensors do not need; it is not run"
                )
        (value,) = self.stack
        return value

    def pop(self) -> Any:
        """Return the last value."""
        if self.marks and len(self.stack) <= self.marks[-1]:
            raise _DamagedError("its pickle takes values that are not there")
        return self.stack.pop()

    def pop_all(self) -> list[Any]:
        """Return the values since the last mark."""
        mark = self.marks.pop()
        found = self.stack[mark:]
        del self.stack[mark:]
        return found

    def top(self, kind: type) -> Any:
        """Return the list or the dict that values are put into."""
        if not isinstance(self.stack[-1], kind):
            raise _DamagedError(f"its pickle has no {kind.__name__} where it needs one")
        return self.stack[-1]

    def mark(self, _: Any) -> None:
        """Remember the place."""
        self.marks.append(len(self.stack))

    def remember(self, number: Any) -> None:
        """Give the last value a number."""
        self.memo[len(self.memo) if number is None else number] = self.stack[-1]

    def recall(self, number: Any) -> None:
        """Put a value with a number on the stack."""
        self.stack.append(self.memo[number])

    def pack(self, count: int | None) -> None:
        """Make a tuple of the last values."""
        values = self.pop_all() if count is None else [self.pop() for _ in range(count)][::-1]
        self.stack.append(tuple(values))

    def append(self, several: bool) -> None:
        """Put values into a list."""
        values = self.pop_all() if several else [self.pop()]
        self.top(list).extend(values)

    def set(self, several: bool) -> None:
        """Put keys and values into a dict."""
        values = self.pop_all() if several else [self.pop(), self.pop()][::-1]
        self._fill(self.top(dict), zip(values[::2], values[1::2], strict=True))

    def _fill(self, target: dict[Any, Any], pairs: Iterator[tuple[Any, Any]]) -> None:
        for key, value in pairs:
            if type(key) not in (str, int):
                raise _DamagedError(f"a key is a {type(key).__name__}")
            target[key] = value

    def look_up(self, names: Any) -> None:
        """Put the name of a class or a function on the stack, if tensors need it."""
        if names is None:
            name, module = self.pop(), self.pop()
        else:
            module, _, name = names.partition(" ")
        found = _Global(str(module), str(name))
        if found not in _CALLS and not (found.module == "torch" and found.name in DTYPES):
            raise _DamagedError(
                f"it has an object of the class or function {found.module}.{found.name}, which is "
                "not run. It may be a whole model; save torch.save(model.state_dict(), path)"
            )
        self.stack.append(found)

    def call(self, _: Any) -> None:
        """Make a tensor or a dict."""
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, _Global) or type(arguments) is not tuple:
            raise _DamagedError("its pickle calls what is no function")
        make = _CALLS.get(function)
        if make is None:
            raise _DamagedError(f"its pickle calls {function.module}.{function.name}")
        self.stack.append(make(self, *arguments))

    def storage(self, _: Any) -> None:
        """Put a storage on the stack."""
        kind, name, key, _, count, *_ = self.pop()
        dtype = DTYPES.get(name.name) if isinstance(name, _Global) else None
        if kind != "storage" or dtype is None or type(count) is not int or count < 0:
            raise _DamagedError("its pickle has a storage of an unknown kind")
        found = Storage(str(key), dtype, count)
        if self.storages.setdefault(found.key, found) != found:
            raise _DamagedError(f"the data {found.key!r} have two kinds")
        self.stack.append(found)

    def ordered(self, pairs: Any = ()) -> dict[Any, Any]:
        """Return an ordered dict."""
        found: dict[Any, Any] = {}
        self._fill(found, ((key, value) for key, value in pairs))
        return found

    def tensor(self, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
        """Return a tensor."""
        numbers = (offset, *shape, *strides)
        good = all(type(n) is int and 0 <= n < 1 << 62 for n in numbers)
        if not isinstance(storage, Storage) or not good or len(shape) != len(strides):
            raise _DamagedError("its pickle has a tensor without sizes")
        if len(shape) > 32:
            raise _DamagedError("its pickle has a tensor of more than 32 dimensions")
        return Tensor(storage, offset, tuple(shape), tuple(strides))

    def parameter(self, value: Any, *_: Any) -> Any:
        """Return a learnable, which is its tensor."""
        return value

    def keep(self, _: Any) -> None:
        """Leave an object as it is, without attributes; those of a dict are versions."""
        self.pop()


_VALUES = {
    "BINFLOAT", "BININT", "BININT1", "BININT2", "BINUNICODE", "BINUNICODE8", "LONG1",
    "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING",
}  # fmt: skip
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
}
_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "BINPUT": _Machine.remember,
    "LONG_BINPUT": _Machine.remember,
    "MEMOIZE": lambda machine, _: machine.remember(None),
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "TUPLE": lambda machine, _: machine.pack(None),
    "TUPLE1": lambda machine, _: machine.pack(1),
    "TUPLE2": lambda machine, _: machine.pack(2),
    "TUPLE3": lambda machine, _: machine.pack(3),
    "APPEND": lambda machine, _: machine.append(several=False),
    "APPENDS": lambda machine, _: machine.append(several=True),
    "SETITEM": lambda machine, _: machine.set(several=False),
    "SETITEMS": lambda machine, _: machine.set(several=True),
    "GLOBAL": _Machine.look_up,
    "STACK_GLOBAL": lambda machine, _: machine.look_up(None),
    "BINPERSID": _Machine.storage,
    "REDUCE": _Machine.call,
    "BUILD": _Machine.keep,
}
_CALLS: dict[_Global, Callable[..., Any]] = {
    _Global("collections", "OrderedDict"): _Machine.ordered,
    _Global("torch._utils", "_rebuild_tensor"): _Machine.tensor,
    _Global("torch._utils", "_rebuild_tensor_v2"): _Machine.tensor,
    _Global("torch._utils", "_rebuild_parameter"): _Machine.parameter,
}
