"""From the text of a function to a function that Python calls."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

import numpy as np

from dlgradient.core.types import Array
from dlgradient.native import store
from dlgradient.native.code import Function
from dlgradient.native.machine import LOCK, machine

__all__ = ["Compiled", "Linked", "address_of", "compiled", "is_right", "linked"]

# Called with the addresses of arrays and with integers.
Compiled: TypeAlias = Callable[..., None]

_kept: list[Linked] = []  # until the process ends
_linked: WeakValueDictionary[bytes, Linked] = WeakValueDictionary()


class Linked:
    """Machine code in memory, as long as this is referred to."""

    def __init__(self, engine: Any, name: str) -> None:
        self.address: int = engine.get_function_address(name)
        self._engine = engine

    def __del__(self, lock: Any = LOCK) -> None:
        with lock:  # as all that uses LLVM
            self._engine = None


def compiled(function: Function) -> Compiled:
    """Return the function that a text defines.

    The call releases the lock of the interpreter. It checks nothing: a wrong address or size ends
    the process.
    """
    code = linked(function.text(), function.name)
    _kept.append(code)
    return ctypes.CFUNCTYPE(None, *[ctypes.c_ssize_t] * len(function.arguments))(code.address)


def linked(text: str, name: str, *, quickly: bool = False) -> Linked:
    """Return the machine code of a text, the same one while it is used.

    Parameters
    ----------
    text : str
    name : str
        Of the function.
    quickly : bool
        Whether there are no loops to improve. A long text is then compiled in a tenth of the time.
    """
    with LOCK:
        source = f"{machine().description} {quickly}\n{text}"
        key = sha256(source.encode()).digest()
        found = _linked.get(key)
        if found is None:
            code = store.load(source)
            if code is None:
                code = _translate(text, quickly)
                store.save(source, code)
            found = _linked[key] = Linked(_engine(code), name)
        return found


def address_of(x: Array) -> int:
    """Return where the first element of an array is."""
    address: int = x.__array_interface__["data"][0]  # a third of the time of x.ctypes.data
    return address


def is_right() -> bool:
    """Compile a function and call it: an error, or False, says that this fails here."""
    f = Function("check")
    x = f.address("x")
    f.store(f.load("double", x, 0) + 1.0, x, 0)
    number = np.array([2.0])
    compiled(f)(address_of(number))
    return bool(number[0] == 3.0)


def _translate(text: str, quickly: bool) -> bytes:
    """Return machine code."""
    from llvmlite import binding

    target = machine().new_target(0 if quickly else 2)
    module = binding.parse_assembly(text)
    module.triple, module.data_layout = target.triple, str(target.target_data)
    if not quickly:
        _improve(module, target)
    code: bytes = target.emit_object(module)
    return code


def _improve(module: Any, target: Any) -> None:
    from llvmlite import binding

    passes = binding.create_new_module_pass_manager()
    # Variables become registers. Vectors are explicit, so that nothing else has to be found.
    passes.add_always_inliner_pass()
    passes.add_sroa_pass()
    passes.add_simplify_cfg_pass()
    passes.add_loop_rotate_pass()
    passes.add_new_gvn_pass()
    passes.add_instruction_combine_pass()
    passes.run(
        module, binding.create_pass_builder(target, binding.create_pipeline_tuning_options())
    )


def _engine(code: bytes) -> Any:
    """Load machine code, and return what holds it."""
    from llvmlite import binding

    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), machine().new_target(2))
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine
