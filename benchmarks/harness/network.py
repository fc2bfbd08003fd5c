"""Rows of networks and layers: time against torch and jax.jit, and peak memory of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.children import measure
from harness.result import OURS, Detail, Result, Target, with_unit

if TYPE_CHECKING:
    # The rows import this module, and so do the processes that measure memory.
    from rows import Context

Call = Callable[[], Any]
MEMORY = 1.2


@dataclass(frozen=True)
class Network:
    """A row: loss and gradient with respect to all parameters, float32.

    Parameters
    ----------
    name : str
        What to run it by.
    work : str
        What is computed, for the report.
    factor : float
        The target: our time is at most this many times torch's.
    full, tiny : Any
        Sizes to measure, and sizes that warm a process up before its memory is measured: as small
        as they can be to load all the code that the full ones need.
    data : callable
        Return NumPy arrays for such sizes; what the contestants get.
    ours, torch, jax : callable
        Make the inputs of one contestant and return what is timed. They import their libraries
        themselves, since a process that measures the memory of one shall not load the others.
    rtol : float
        How far from torch's results others may be, relative to the largest element.
    """

    name: str
    work: str
    factor: float
    full: Any
    tiny: Any
    data: Callable[[Any], Any]
    ours: Callable[[Any], Call]
    torch: Callable[[Any], Call]
    jax: Callable[[Any], Call]
    rtol: float = 1e-4

    def makers(self, sizes: Any) -> dict[str, Callable[[], Call]]:
        """Return the contestants, for data of these sizes."""
        made = {OURS: self.ours, "torch": self.torch, "jax.jit": self.jax}
        return {who: lambda make=make: make(self.data(sizes)) for who, make in made.items()}

    def __call__(self, context: Context) -> Result:
        """Compare the results, and measure time and memory."""
        from harness import agreement
        from harness.timing import interleaved

        makers = self.makers(self.full)
        agreement.check(makers, reference="torch", rtol=self.rtol, atol=1e-6)
        figures = interleaved(
            {name: make() for name, make in makers.items()},
            budget=context.seconds(8),
            rounds=(5, 200),
            pause=0.05,
            report=lambda part: context.report(0.6 * part),
        )
        result = Result(self.name, f"{self.work}; float32", "s", figures)
        result.ask("torch", self.factor, f"≤ {self.factor}x torch")
        self._ask_memory(result, list(makers), context)
        return result

    def _ask_memory(self, result: Result, contestants: list[str], context: Context) -> None:
        peaks = {}
        for done, who in enumerate(contestants, 1):
            found = measure("network", self.name, who)
            if "error" in found:
                raise RuntimeError(f"memory of {who}: {found['error']}")
            peaks[who] = found["peak_mb"]
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


def ours(loss: Callable[..., Any], params: list[Any], *data: Any) -> Call:
    """Return the call of dlgradient: `loss` of the parameters and data, all of them dlarrays."""
    import dlgradient as dl

    def evaluated(params: Any, *data: Any) -> Any:
        value = loss(params, *data)
        return value, dl.dlgradient(value, params)

    return lambda: dl.dlfeval(evaluated, params, *data)


def with_torch(loss: Callable[[], Any], params: Any) -> Call:
    """Return the call of torch: `loss` of parameters it knows, that require gradients."""
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
    """Give a torch module these parameters, in the order it names them; return it."""
    import torch

    with torch.no_grad():
        for p, array in zip(module.parameters(), arrays, strict=True):
            p.copy_(torch.tensor(array))
    return module.train()
