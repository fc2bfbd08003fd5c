"""The same machine for all contestants: two cores, two threads, current kernels.

`prepare` must run before NumPy or a peer is imported.
"""

from __future__ import annotations

import ctypes
import datetime as dt
import os
import platform
from importlib import metadata
from pathlib import Path

THREADS = 2
# Parameters of glibc's mallopt.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
# Work-arounds for old builds of OpenBLAS; a current one makes better choices.
_UNWANTED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONPROFILEIMPORTTIME")


def prepare(threads: int = THREADS) -> None:
    """Bind this process and its children to two threads, and to two cores where the system can."""
    for name in VARIABLES:
        os.environ[name] = str(threads)
    for name in _UNWANTED:
        os.environ.pop(name, None)
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    if hasattr(os, "sched_setaffinity"):
        # XLA has no option for its number of threads: it takes the number of cores it may use.
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:THREADS]))


def configure_peers() -> None:
    """Set what only a call can set: threads of torch, 64-bit floats of jax."""
    import jax
    import torch

    torch.set_num_threads(THREADS)
    jax.config.update("jax_enable_x64", True)


def steady_allocator() -> bool:
    """Let the C library keep freed memory, as in a long run; return whether it can.

    By default, glibc returns large arrays to the system at once or not at all, depending on what
    the process has freed before. Each 4 MB array that is fetched again costs a thousand page
    faults. So one contestant's history would affect the time of another.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    keep, largest = 1 << 30, 1 << 25
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_TRIM_THRESHOLD, keep) and mallopt(_MMAP_THRESHOLD, largest))


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    found: dict[str, str] = {}
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            name, _, value = line.partition(":")
            found.setdefault(name.strip(), value.strip())
    model = found.get("model name") or platform.processor() or platform.machine()
    family = found.get("cpu family")
    return f"{model} (family {family}, model {found.get('model')})" if family else model


def _blas() -> str:
    import threadpoolctl

    pools = []
    for pool in threadpoolctl.threadpool_info():
        kernel = pool.get("architecture")
        name = Path(pool["filepath"]).name.split("-")[0].split(".")[0]
        what = pool["internal_api"] + (f" {pool['version']}" if pool.get("version") else "")
        pools.append(
            f"{name}: {what}, {pool['num_threads']} threads" + (f", {kernel}" if kernel else "")
        )
    return "; ".join(sorted(pools))


def describe() -> dict[str, str]:
    """Return what a reader must know to judge the figures."""
    import torch

    packages = ("dlgradient", "numpy", "scipy", "torch", "jax", "jaxlib", "autograd")
    versions = []
    for name in packages:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{name} (from the checkout)")
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "Date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "Processor": f"{_processor()}, {os.cpu_count()} cores, {usable} used",
        "System": f"{platform.system()} {platform.release()} {platform.machine()}, {_libc()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "Versions": ", ".join(versions),
        "Threads": f"torch {torch.get_num_threads()}; {_blas()}",
    }


def _libc() -> str:
    return " ".join(platform.libc_ver()).strip() or "unknown C library"


def load() -> float:
    """Return the load average of the last minute, NaN where there is none."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
