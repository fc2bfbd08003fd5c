"""Gradients of linear algebra: factors of 200 by 200 matrices, and sums of products by labels.

All is in float64, on one thread. What is reported is the time of all cases, and the ratio of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from harness import machine
from harness.children import Child
from harness.contestants import Call, Maker
from harness.network import ours, parameter, with_torch
from harness.result import OURS, Detail, Result, Target, with_unit
from harness.row import Context, Row

FACTOR = 1.0
TORCH = "torch"
SIZE = 200


@dataclass(frozen=True)
class Case:
    """A function of arrays with a scalar result.

    Parameters
    ----------
    name : str
        For the report.
    shapes : tuple of shapes
        Of its operands.
    function : callable
        ``function(library, *operands)`` with `dlgradient`, or with `torch`.
    definite : bool
        Whether the first operand is a positive definite matrix, else one far from singular.
    """

    name: str
    shapes: tuple[tuple[int, ...], ...]
    function: Callable[..., Any]
    definite: bool = False

    def data(self) -> list[Any]:
        """Return operands."""
        rng = np.random.default_rng(3)
        found = [rng.standard_normal(shape) for shape in self.shapes]
        first = found[0]
        if self.definite:
            found[0] = first @ first.T / SIZE + np.eye(SIZE)
        elif first.shape == (SIZE, SIZE):
            found[0] = first + 2 * np.sqrt(SIZE) * np.eye(SIZE)
        return found

    def our_call(self) -> Call:
        """Return the call of dlgradient."""
        import dlgradient as dl

        return ours(lambda params: self.function(dl, *params), [dl.dlarray(x) for x in self.data()])

    def torch_call(self) -> Call:
        """Return the call of torch."""
        import torch

        xs = [parameter(x) for x in self.data()]
        return with_torch(lambda: self.function(torch, *xs), xs)

    def makers(self) -> dict[str, Maker]:
        """Return the contestants."""
        return {OURS: self.our_call, TORCH: self.torch_call}


def _solve(library: Any, a: Any, b: Any) -> Any:
    return (library.linalg.solve(a, b) ** 2).sum()


def _svd(library: Any, a: Any) -> Any:
    u, s, vh = library.linalg.svd(a, full_matrices=False)
    return ((u @ vh) ** 3).sum() + s.sum()  # whatever the signs of the vectors are


def _eigh(library: Any, a: Any) -> Any:
    w, v = library.linalg.eigh(a)
    return (v**4).sum() + w.sum()


def _cholesky(library: Any, a: Any) -> Any:
    return (library.linalg.cholesky(a) ** 3).sum()


def _summed(formula: str, *shapes: tuple[int, ...]) -> Case:
    return Case(
        f"einsum {formula}",
        shapes,
        lambda library, *xs: (library.einsum(formula, *xs) ** 2).sum(),
    )


_MATRIX = (SIZE, SIZE)
CASES = (
    Case("solve", (_MATRIX, (SIZE, 1)), _solve),
    Case("svd", (_MATRIX,), _svd),
    Case("eigh", (_MATRIX,), _eigh, definite=True),
    Case("cholesky", (_MATRIX,), _cholesky, definite=True),
    _summed("bik,bjk->bij", (16, 64, 32), (16, 48, 32)),
    _summed("ab,bc,cd->ad", (100, 100), (100, 100), (100, 100)),
    _summed("ij,jk->", (4, 4), (4, 4)),
)


def _makers() -> dict[str, Maker]:
    return {f"{OURS} {case.name}": case.our_call for case in CASES}


def _timed(quick: bool) -> Iterator[dict[str, float]]:
    """Yield the times of each case, in a process on one thread."""
    machine.steady_allocator()
    part = Context(quick, lambda _: None)
    for case in CASES:
        yield part.timed(
            case.makers(), seconds=4, rounds=(3, 100), reference=TORCH, rtol=1e-6, atol=1e-8
        )


def _run(context: Context) -> Result:
    figures = {OURS: 0.0, TORCH: 0.0}
    rows, worst = [], ("", 0.0)
    with Child(_timed, context.quick, **dict.fromkeys(machine.VARIABLES, "1")) as child:
        times = []
        for done in range(len(CASES)):
            context.report(done / len(CASES))
            times.append(child.turn())
    for case, found in zip(CASES, times, strict=True):
        ratio = found[OURS] / found[TORCH]
        worst = max(worst, (case.name, ratio), key=lambda pair: pair[1])
        rows.append([case.name, *[with_unit(found[w], "s") for w in figures], f"{ratio:.2f}"])
        for who in figures:
            figures[who] += found[who]
    result = Result("matrices", "gradients of linear algebra; float64, one thread", "s", figures)
    measured = f"{worst[1]:.2f}x torch ({worst[0]})"
    result.targets.append(Target(f"each ≤ {FACTOR}x torch", measured, worst[1] <= FACTOR))
    result.details.append(Detail("Each case", ["case", *figures, "ratio"], rows))
    return result


MATRICES = Row("matrices", _run, _makers)
