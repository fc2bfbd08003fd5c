"""From the text of a function to a function that Python calls."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from dlgradient.core.types import Array
from dlgradient.native import store
from dlgradient.native.code import Function
from dlgradient.native.machine import LOCK, machine

__all__ = ["Compiled", "address_of", "compiled", "is_right"]

# Called with the addresses of arrays and with integers.
Compiled: TypeAlias = Callable[..., None]

_loaded: list[Any] = []  # what holds the machine code, until the process ends


def compiled(function: Function) -> Compiled:
    """Return the function that a text defines.

    The call releases the lock of the interpreter. It checks nothing: a wrong address or size ends
    the process.
    """
    text = function.text()
    with LOCK:
        source = f"{machine().description}\n{text}"
        code = store.load(source)
        if code is None:
            code = _translate(text)
            store.save(source, code)
        address = _link(code, function.name)
    return ctypes.CFUNCTYPE(None, *[ctypes.c_ssize_t] * len(function.arguments))(address)


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


def _translate(text: str) -> bytes:
    """Return machine code."""
    from llvmlite import binding

    target = machine().new_target()
    module = binding.parse_assembly(text)
    module.triple, module.data_layout = target.triple, str(target.target_data)
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
    code: bytes = target.emit_object(module)
    return code


def _link(code: bytes, name: str) -> int:
    """Load machine code, and return the address of a function in it."""
    from llvmlite import binding

    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), machine().new_target())
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _loaded.append(engine)
    address: int = engine.get_function_address(name)
    return address
