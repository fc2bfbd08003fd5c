"""Measurements that need a fresh process: ``children.py TASK ARGUMENT...`` prints JSON."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])

from harness import machine

if __name__ == "__main__":
    machine.prepare()  # before NumPy is imported

import numpy as np

LAYERS, WIDTH, BATCH = 30, 256, 8192


def measure(task: str, *arguments: str, mapped: bool = False) -> dict[str, Any]:
    """Run a task in a fresh process and return what it says; ``error`` if it did not survive.

    With `mapped`, glibc gives every large array pages of its own, and back at once: the resident
    set is then what is alive, without the holes of a fragmented heap.
    """
    environment = dict(os.environ)
    if mapped:
        environment["GLIBC_TUNABLES"] = "glibc.malloc.mmap_threshold=65536"
    command = [sys.executable, __file__, task, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return {"error": f"exit {done.returncode}: {lines[-1] if lines else 'no message'}"}
    return json.loads(done.stdout.strip().splitlines()[-1])  # type: ignore[no-any-return]


# -- resident set --------------------------------------------------------------------------------

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def _status(name: str) -> float:
    """Return a size from the process's status in MB (10^6 bytes)."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024 / 1e6
    raise LookupError(name)


def _high_water() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


class Peak:
    """High-water mark of the resident set over its size at the start, in MB."""

    def __init__(self) -> None:
        gc.collect()
        try:
            # A process inherits its parent's mark; Linux can set it back.
            _CLEAR.write_text("5")
            self.exact = True
            self.start = _status("VmRSS")
        except OSError:
            self.exact = False
            self.start = _high_water()

    def so_far(self) -> float:
        """Return the mark."""
        return (_status("VmHWM") if self.exact else _high_water()) - self.start

    def now(self) -> float:
        """Return the present size, where the system tells it."""
        return (_status("VmRSS") if self.exact else _high_water()) - self.start


# -- thirty layers -------------------------------------------------------------------------------


def _network(batch: int) -> tuple[Any, list[np.ndarray[Any, Any]]]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((batch, WIDTH), dtype=np.float32)
    params = []
    for _ in range(LAYERS):
        W = rng.standard_normal((WIDTH, WIDTH), dtype=np.float32) * np.float32((2 / WIDTH) ** 0.5)
        params += [W, np.full(WIDTH, 0.01, np.float32)]
    return X, params


def _layers(xp: Any, X: Any) -> Callable[[Any], Any]:
    def loss(params: Any) -> Any:
        h = X
        for W, b in zip(params[::2], params[1::2], strict=True):
            h = xp.maximum(h @ W + b, 0)
        return xp.mean(h * h)

    return loss


def _torch(X: Any, params: Any) -> Callable[[], Any]:
    import torch

    torch.set_num_threads(2)
    X, params = torch.tensor(X), [torch.tensor(p, requires_grad=True) for p in params]

    def call() -> Any:
        h = X
        for W, b in zip(params[::2], params[1::2], strict=True):
            h = torch.relu(torch.addmm(b, h, W))
        loss = (h * h).mean()
        del h
        return loss, torch.autograd.grad(loss, params)

    return call


def _jax(transform: str) -> Callable[[Any, Any], Callable[[], Any]]:
    def make(X: Any, params: Any) -> Callable[[], Any]:
        import jax
        import jax.numpy as jnp

        # The data are an argument: a constant would be copied into the compiled program.
        def loss(params: Any, X: Any) -> Any:
            return _layers(jnp, X)(params)

        fun = jax.value_and_grad(loss)
        if transform == "jit":
            fun = jax.jit(fun)
        X_, params_ = jnp.array(X), [jnp.array(p) for p in params]
        if transform == "jit":
            fun = fun.lower(params_, X_).compile()
        return lambda: jax.block_until_ready(fun(params_, X_))

    return make


def _autograd(X: Any, params: Any) -> Callable[[], Any]:
    import autograd
    import autograd.numpy as anp

    fun = autograd.value_and_grad(_layers(anp, X))
    return lambda: fun(params)


def _numpy(X: Any, params: Any) -> Callable[[], Any]:
    def call() -> Any:
        kept = [X]
        for W, b in zip(params[::2], params[1::2], strict=True):
            h = kept[-1] @ W
            h += b
            np.maximum(h, 0, out=h)
            kept.append(h)
        loss = np.mean(h * h)
        g = h * np.float32(2 / h.size)
        del h
        gradient: list[Any] = []
        for W in params[-2::-2]:
            g *= kept.pop() > 0
            gradient += [g.sum(axis=0), kept[-1].T @ g]
            g = g @ W.T
        return loss, gradient[::-1]

    return call


def _ours(X: Any, params: Any, *, retain: bool = False, held: Any = None) -> Callable[[], Any]:
    import dlgradient as dl

    X_, params_ = dl.dlarray(X, "BC"), [dl.dlarray(p) for p in params]

    def fun(params: Any) -> Any:
        h = X_
        for W, b in zip(params[::2], params[1::2], strict=True):
            h = dl.relu(dl.fullyconnect(h, W, b, weights_format="CU"))
        loss = dl.mean(h * h)
        del h
        gradient = dl.dlgradient(loss, params, retain_data=retain)
        if held is not None:
            held()
        return loss, gradient

    return lambda: dl.dlfeval(fun, params_)


def _scales(X: Any, params: Any, *, retain: bool, held: Any = None) -> Callable[[], Any]:
    import dlgradient as dl

    X_, params_ = dl.dlarray(X), [dl.dlarray(p) for p in params]

    def fun(params: Any) -> Any:
        h = X_
        for p in params:
            h = dl.tanh(h * p)
        loss = dl.mean(h * h)
        del h
        gradient = dl.dlgradient(loss, params, retain_data=retain)
        if held is not None:
            held()
        return loss, gradient

    return lambda: dl.dlfeval(fun, params_)


_MAKERS = {
    "dlgradient": _ours,
    "torch": _torch,
    "jax": _jax("eager"),
    "jax.jit": _jax("jit"),
    "autograd": _autograd,
    "numpy": _numpy,
}


def peak(who: str) -> dict[str, float]:
    """Peak of one contestant's loss and gradient, and a number that all must agree on."""
    make = _MAKERS[who]
    make(*_network(8))()
    call = make(*_network(BATCH))
    mark = Peak()
    result = call()
    top = mark.so_far()
    loss, gradient = result
    return {"peak_mb": top, "check": _checksum(loss, gradient)}


def _checksum(loss: Any, gradient: Any) -> float:
    from harness.agreement import flat

    total = sum(float(np.abs(g).sum(dtype=float)) for g in flat(list(gradient)))
    return float(next(flat(loss))) + total


def retain(net: str, keep: str) -> dict[str, float]:
    """Peak of our trace with and without `retain_data`, and what is held after `dlgradient`."""
    make = _ours if net == "mlp" else _scales

    def data(batch: int) -> Any:
        X, params = _network(batch)
        if net == "scales":
            params = [np.full_like(X, 1.0 + i / 100) for i in range(LAYERS)]
        return X, params

    make(*data(8), retain=keep == "yes")()
    sizes: list[float] = []
    mark: Peak | None = None

    def held() -> None:
        if mark is not None:
            sizes.append(mark.now())

    call = make(*data(BATCH), retain=keep == "yes", held=held)
    mark = Peak()
    call()
    return {"peak_mb": mark.so_far(), "held_mb": sizes[-1]}


# -- networks and layers -------------------------------------------------------------------------


def network(name: str, who: str) -> dict[str, float]:
    """Peak of one contestant of a row of a network."""
    from rows import networks

    # Only what this one needs is loaded: `configure_peers` would import all peers.
    if who == "torch":
        import torch

        torch.set_num_threads(machine.THREADS)
    if who == "jax.jit":
        import jax

        jax.config.update("jax_enable_x64", True)
    row = networks()[name]
    row.makers(row.tiny)[who]()()
    call = row.makers(row.full)[who]()
    mark = Peak()
    result = call()
    top = mark.so_far()
    del result
    return {"peak_mb": top}


# -- alone, with the allocator as the system has it --------------------------------------------


def alone(who: str) -> dict[str, float]:
    """Least time, and page faults, of one contestant of the row elementwise on its own."""
    from rows import elementwise

    from harness.timing import interleaved

    machine.configure_peers()
    call = elementwise.makers()[who]()
    seconds = interleaved({who: call}, budget=1.5)[who]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        call()
    faults = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 20
    return {"seconds": seconds, "faults": faults}


# -- deep chain ----------------------------------------------------------------------------------


def deep(length: str) -> dict[str, float]:
    """A deep chain with the interpreter's own recursion limit: memory, and release."""
    import dlgradient as dl

    n = int(length)
    x0 = dl.dlarray(0.5)

    def chained(x: Any) -> Any:
        for _ in range(n):
            x = dl.sin(x)
        return x

    def with_gradient(x: Any) -> Any:
        return dl.dlgradient(chained(x), x)

    dl.dlfeval(lambda x: dl.dlgradient(dl.sin(x), x), x0)
    gc.collect()
    blocks = sys.getallocatedblocks()
    mark = Peak()
    dl.dlfeval(with_gradient, x0)
    top = mark.so_far()
    gc.collect()
    left = mark.now()
    blocks = sys.getallocatedblocks() - blocks
    # Release of a trace that no gradient has passed; and all of it in a thread, on a smaller stack.
    release = _release_seconds(chained, x0)
    thread = threading.Thread(
        target=lambda: (_release_seconds(chained, x0), dl.dlfeval(with_gradient, x0))
    )
    thread.start()
    thread.join()
    return {
        "limit": sys.getrecursionlimit(),
        "peak_mb": top,
        "left_mb": left,
        "left_blocks": blocks,
        "release_s": release,
        "node_bytes": _node_bytes(x0),
    }


def _release_seconds(chained: Callable[[Any], Any], x0: Any) -> float:
    import dlgradient as dl

    def fun(x: Any) -> float:
        y = chained(x)
        began = time.perf_counter()
        del y
        return time.perf_counter() - began

    return float(dl.dlfeval(fun, x0))


@contextlib.contextmanager
def _tracing() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def _node_bytes(x0: Any, n: int = 20_000) -> float:
    import dlgradient as dl

    def fun(x: Any) -> float:
        with _tracing():
            before = tracemalloc.get_traced_memory()[0]
            y = x
            for _ in range(n):
                y = dl.sin(y)
            return (tracemalloc.get_traced_memory()[0] - before) / n

    return float(dl.dlfeval(fun, x0))


if __name__ == "__main__":
    tasks: dict[str, Callable[..., dict[str, float]]] = {
        "peak": peak,
        "retain": retain,
        "network": network,
        "deep": deep,
        "alone": alone,
    }
    print(json.dumps(tasks[sys.argv[1]](*sys.argv[2:])))
