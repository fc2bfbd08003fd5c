"""LLVM, and what this processor can do."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from threading import RLock
from typing import Any, NamedTuple

__all__ = ["LOCK", "Machine", "machine"]

# LLVM is loaded and used by one thread at a time, and a process is not forked meanwhile: its child
# would wait for a thread that it does not have.
LOCK = RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release
    )

_LANES = {"float": 4, "double": 8}
# Bytes of a vector by the feature of a processor; every other one has 16.
_VECTOR_BYTES = {"avx512f": 64, "avx": 32}


class Machine(NamedTuple):
    """A processor, as LLVM describes it.

    Attributes
    ----------
    description : str
        What machine code depends on: LLVM's version, the kind of processor and its features.
    vector_bytes : int
    fused : bool
        Whether a product and a sum can be rounded at once.
    new_target : callable
        Returns what compiles for it, with a level of optimization from 0 to 3.
    """

    description: str
    vector_bytes: int
    fused: bool
    new_target: Callable[[int], Any]

    def lanes(self, element: str) -> int:
        """Return how many numbers a vector has."""
        return self.vector_bytes // _LANES[element]


@cache
def machine() -> Machine:
    """Return this processor; loads LLVM."""
    with LOCK:
        return _described()


def _described() -> Machine:
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    triple, cpu = binding.get_process_triple(), binding.get_host_cpu_name()
    found = binding.get_host_cpu_features()
    features = found.flatten()

    def new_target(level: int) -> Any:
        return binding.Target.from_triple(triple).create_target_machine(
            cpu, features, opt=level, reloc="pic", codemodel="jitdefault", jit=True
        )

    version = ".".join(map(str, binding.llvm_version_info))
    nbytes = next((n for name, n in _VECTOR_BYTES.items() if found.get(name)), 16)
    fused = bool(found.get("fma")) or triple.startswith(("aarch64", "arm64"))
    return Machine(f"{version} {triple} {cpu} {features}", nbytes, fused, new_target)
