"""Rows of networks and layers: time against torch and jax.jit, and peak memory of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness import machine
from harness.children import Peak, measure
from harness.contestants import Call, Maker
from harness.recorded import EAGER, recorded
from harness.result import OURS, Detail, Result, Target, with_unit
from harness.row import Context, Row

MEMORY = 1.2
# The loss of learnables and data, the learnables, and the data: dlarrays all of them.
Problem = tuple[Any, ...]


@dataclass(frozen=True)
class Network:
    """Declaration of a row: loss and gradient with respect to all learnables, float32.

    Parameters
    ----------
    name : str
        The name to run it by.
    work : str
        What is computed, for the report.
    factor : float
        The target: our time is at most this many times torch's.
    full, tiny : Any
        Sizes to measure, and sizes that warm a process up before its memory is measured. The latter
        are as small as they can be, and load all the code that the full ones need.
    data : callable
        Return NumPy arrays for such sizes; what the contestants get.
    ours : callable
        Make our loss and its inputs.
    torch, jax : callable
        Make the inputs of one contestant and return what is timed. All three import their libraries
        themselves, since a process that measures the memory of one must not load the others.
    rtol : float
        How far other results may be from torch's, relative to the largest element.
    """

    name: str
    work: str
    factor: float
    full: Any
    tiny: Any
    data: Callable[[Any], Any]
    ours: Callable[[Any], Problem]
    torch: Callable[[Any], Call]
    jax: Callable[[Any], Call]
    rtol: float = 1e-4

    def row(self) -> Row:
        """Return the row."""
        return Row(self.name, self.run, self.makers)

    def recorded(self, factor: float) -> Row:
        """Return the row of the same call, recorded, which asks for a part of the time of torch."""
        return recorded(
            f"accelerated-{self.name}",
            f"row {self.name}, recorded",
            factor,
            self.recorded_makers,
            "torch",
            rtol=self.rtol,
            atol=1e-6,
        )

    def recorded_makers(self) -> dict[str, Maker]:
        """Return the contestants of that row."""
        data = self.data(self.full)
        return {
            OURS: lambda: accelerated(*self.ours(data)),
            EAGER: lambda: self._ours(data),
            "torch": lambda: self.torch(data),
            "jax.jit": lambda: self.jax(data),
        }

    def makers(self) -> dict[str, Maker]:
        """Return the contestants, for data of the full sizes."""
        return self._sized(self.full)

    def _sized(self, sizes: Any) -> dict[str, Maker]:
        made = {OURS: self._ours, "torch": self.torch, "jax.jit": self.jax}
        return {who: lambda make=make: make(self.data(sizes)) for who, make in made.items()}

    def _ours(self, data: Any) -> Call:
        return ours(*self.ours(data))

    def run(self, context: Context) -> Result:
        """Compare the results, and measure time and memory."""
        makers = self.makers()
        figures = context.timed(
            makers,
            seconds=8,
            rounds=(5, 200),
            pause=0.05,
            part=0.6,
            reference="torch",
            rtol=self.rtol,
            atol=1e-6,
        )
        result = Result(self.name, f"{self.work}; float32", "s", figures)
        result.ask("torch", self.factor, f"≤ {self.factor}x torch")
        self._ask_memory(result, list(makers), context)
        return result

    def _ask_memory(self, result: Result, contestants: list[str], context: Context) -> None:
        peaks = {}
        for done, who in enumerate(contestants, 1):
            peaks[who] = measure(self.peak, who)
            context.report(0.6 + 0.4 * done / len(contestants))
        ratio = peaks[OURS] / peaks["torch"]
        measured = f"{ratio:.2f}x torch"
        result.targets.append(Target(f"peak ≤ {MEMORY}x torch", measured, ratio <= MEMORY))
        result.details.append(
            Detail(
                "Peak over parameters and data, in a fresh process after a run on tiny data",
                ["contestant", "peak"],
                [[who, with_unit(peak, "MB")] for who, peak in peaks.items()],
            )
        )

    def peak(self, who: str) -> float:
        """Return the peak of one contestant in MB; called in a fresh process."""
        # Load only what this one needs: `configure_peers` would import all peers.
        if who == "torch":
            import torch

            torch.set_num_threads(machine.THREADS)
        if who == "jax.jit":
            import jax

            jax.config.update("jax_enable_x64", True)
        self._sized(self.tiny)[who]()()
        call = self._sized(self.full)[who]()
        mark = Peak()
        result = call()
        top = mark.peak()
        del result
        return top


def ours(loss: Callable[..., Any], params: list[Any], *data: Any) -> Call:
    """Return the call of dlgradient: `loss` of learnables and data, all of them dlarrays."""
    import dlgradient as dl

    def evaluated(params: Any, *data: Any) -> Any:
        value = loss(params, *data)
        return value, dl.dlgradient(value, params)

    return lambda: dl.dlfeval(evaluated, params, *data)


def accelerated(loss: Callable[..., Any], params: list[Any], *data: Any) -> Call:
    """Return the same call, which is recorded."""
    import dlgradient as dl

    @dl.dlaccelerate
    def evaluated(params: Any, *data: Any) -> Any:
        value = loss(params, *data)
        return value, dl.dlgradient(value, params)

    return lambda: evaluated(params, *data)


def with_torch(loss: Callable[[], Any], params: Any) -> Call:
    """Return the call of torch: `loss` of its parameters, which require gradients."""
    import torch

    params = list(params)

    def call() -> Any:
        value = loss()
        return value, torch.autograd.grad(value, params)

    return call


def with_jax(loss: Callable[..., Any], params: Any, *data: Any) -> Call:
    """Return the compiled call of jax; data are arguments, since constants would be copied."""
    import jax
    import jax.numpy as jnp

    params, data = jax.tree.map(jnp.asarray, (params, data))
    compiled = jax.jit(jax.value_and_grad(loss)).lower(params, *data).compile()
    return lambda: jax.block_until_ready(compiled(params, *data))


def parameter(array: Any) -> Any:
    """Return a torch parameter of a NumPy array."""
    import torch

    return torch.nn.Parameter(torch.tensor(array))


def fill(module: Any, arrays: list[Any]) -> Any:
    """Give a torch module these parameters, in its own order; return it."""
    import torch

    with torch.no_grad():
        for p, array in zip(module.parameters(), arrays, strict=True):
            p.copy_(torch.tensor(array))
    return module.train()
