"""Sizes at which a method that is fast elsewhere would be slow: odd, very large or very small.

Each case is the gradient of the sum of one function, on one thread. What is reported is the time of
all cases, and the ratio of each.
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

FACTOR = 2.0
TORCH = "torch"


@dataclass(frozen=True)
class Cliff:
    """One function at one size.

    Parameters
    ----------
    name : str
        For the report.
    shape : tuple of int
        Batch, channels, sizes; or as `fmt` has it.
    ours, torch : callable
        ``f(library, x)`` with `dlgradient`, or with `torch.nn.functional`.
    fmt : str
        Data format.
    """

    name: str
    shape: tuple[int, ...]
    ours: Callable[[Any, Any], Any]
    torch: Callable[[Any, Any], Any]
    fmt: str = ""

    def data(self) -> Any:
        """Return different numbers in any order, so that maxima are unique."""
        number = int(np.prod(self.shape))
        order = np.random.default_rng(8).permutation(number)
        return (order / np.float32(number)).astype(np.float32).reshape(self.shape)

    def our_call(self) -> Call:
        """Return the call of dlgradient."""
        import dlgradient as dl

        x = dl.dlarray(self.data(), self.fmt or "BC" + "S" * (len(self.shape) - 2))
        return ours(lambda params: self.ours(dl, params[0]).sum(), [x])

    def torch_call(self) -> Call:
        """Return the call of torch."""
        from torch.nn import functional

        x = parameter(self.data())
        return with_torch(lambda: self.torch(functional, x).sum(), [x])

    def makers(self) -> dict[str, Maker]:
        """Return the contestants."""
        return {OURS: self.our_call, TORCH: self.torch_call}


def _resized(name: str, shape: tuple[int, ...], size: Any, antialias: bool = False) -> Cliff:
    mode = "linear" if len(shape) == 3 else "bilinear"
    options = {"antialias": True} if antialias else {}
    return Cliff(
        name,
        shape,
        lambda dl, x: dl.dlresize(
            # With antialias, torch omits what is outside the image.
            x,
            output_size=size,
            method="linear",
            antialias=antialias,
            exclude_outside=antialias,
        ),
        lambda functional, x: functional.interpolate(x, size=size, mode=mode, **options),
    )


def _adaptive(name: str, shape: tuple[int, ...], kind: str, size: int) -> Cliff:
    theirs = f"adaptive_{kind}_pool{len(shape) - 2}d"
    return Cliff(
        name,
        shape,
        lambda dl, x: getattr(dl, f"adaptive{kind}pool")(x, size),
        lambda functional, x: getattr(functional, theirs)(x, size),
    )


def _filtered(shape: tuple[int, ...], filters: int, size: int, groups: int) -> Cliff:
    channels = shape[1] // groups
    weights = np.random.default_rng(9).standard_normal((filters, channels, size, size))
    w = (weights / (size * channels**0.5)).astype(np.float32)
    grouped = w.reshape(groups, filters // groups, channels, size, size).swapaxes(0, 1)

    def theirs(functional: Any, x: Any) -> Any:
        import torch

        return functional.conv2d(x, torch.from_numpy(w), padding=size // 2, groups=groups)

    def our_convolution(dl: Any, x: Any) -> Any:
        return dl.dlconv(x, grouped, padding=size // 2, weights_format="UUCSS")

    name = f"convolution {size}×{size}, {groups} groups, {'×'.join(map(str, shape))}"
    return Cliff(name, shape, our_convolution, theirs)


def _lstm(name: str, **options: Any) -> Cliff:
    """An lstm that torch's own layer does not have: there, each step is written out."""
    steps, batch, inputs, units = 100, 8, 32, 64
    rng = np.random.default_rng(10)
    weights = [
        (rng.standard_normal(shape) / 8).astype(np.float32)
        for shape in ((4 * units, inputs), (4 * units, units), (4 * units,), (3 * units,))
    ]
    has_peephole = options.pop("peephole", False)

    def our_layer(dl: Any, x: Any) -> Any:
        w, r, b, p = weights
        start = dl.zeros(units, dtype=x.dtype)
        return dl.lstm(x, start, start, w, r, b, peephole=p if has_peephole else None, **options)[0]

    def theirs(functional: Any, x: Any) -> Any:
        import torch

        w, r, b, p = map(torch.from_numpy, weights)
        peep = p.chunk(3) if has_peephole else (0.0, 0.0, 0.0)
        state = getattr(functional, options.get("state_activation_function", "tanh"))
        gate = torch.sigmoid
        if options.get("gate_activation_function") == "hard-sigmoid":

            def gate(z: Any) -> Any:
                return (0.2 * z + 0.5).clamp(0, 1)

        h = c = torch.zeros(batch, units)
        hidden = []
        for z in x @ w.T + b:
            i, f, candidate, o = (z + h @ r.T).chunk(4, 1)
            i, f = gate(i + peep[0] * c), gate(f + peep[1] * c)
            c = f * c + i * state(candidate)
            h = gate(o + peep[2] * c) * state(c)
            hidden.append(h)
        return torch.stack(hidden)

    return Cliff(
        f"lstm with {name}, {steps} steps", (steps, batch, inputs), our_layer, theirs, "TBC"
    )


CASES = (
    _resized("8×3×256² to 5², antialias", (8, 3, 256, 256), (5, 5), antialias=True),
    _resized("2 to 1,000,003", (1, 1, 2), 1_000_003),
    _resized("3×32² to 1021²", (1, 3, 32, 32), (1021, 1021)),
    _resized("16×32×31² to 77²", (16, 32, 31, 31), (77, 77)),
    _adaptive("means of 20,000 in 9,999 windows", (1, 1, 20_000), "avg", 9_999),
    _adaptive("means of 16×64×57² in 7² windows", (16, 64, 57, 57), "avg", 7),
    _adaptive("maxima of 20,000 in 9,999 windows", (1, 1, 20_000), "max", 9_999),
    _adaptive("maxima of 16×64×57² in 7² windows", (16, 64, 57, 57), "max", 7),
    Cliff(
        "maxima of 5,000 of 20,000",
        (1, 1, 20_000),
        lambda dl, x: dl.maxpool(x, 5_000),
        lambda functional, x: functional.max_pool1d(x, 5_000, stride=1),
    ),
    Cliff(
        "softmax of 100,000 channels, 8 observations",
        (100_000, 8),
        lambda dl, x: (dl.softmax(x) * 100_000) ** 2,
        lambda functional, x: (functional.softmax(x, 0) * 100_000) ** 2,
        fmt="CB",
    ),
    Cliff(
        "sums over 10,000 observations of 3 channels",
        (10_000, 3),
        lambda dl, x: dl.sum(x, axis=0) ** 2,
        lambda _functional, x: x.sum(0) ** 2,
    ),
    Cliff(
        "groupnorm of 32×256×8² in 32 groups",
        (32, 256, 8, 8),
        lambda dl, x: dl.groupnorm(x, 32, 0.0, 1.0) ** 3,
        lambda functional, x: functional.group_norm(x, 32) ** 3,
    ),
    _filtered((16, 64, 55, 55), 64, 3, 64),
    _filtered((16, 128, 29, 29), 128, 5, 128),
    _filtered((4096, 3, 7, 7), 8, 3, 1),
    _lstm("peepholes", peephole=True),
    _lstm("hard-sigmoid", gate_activation_function="hard-sigmoid"),
    _lstm("relu", state_activation_function="relu"),
    _lstm("softsign", state_activation_function="softsign"),
)


def _makers() -> dict[str, Maker]:
    return {f"{OURS} {cliff.name}": cliff.our_call for cliff in CASES}


def _timed(quick: bool) -> Iterator[dict[str, float]]:
    """Yield the times of each case, in a process on one thread."""
    machine.steady_allocator()
    part = Context(quick, lambda _: None)
    for cliff in CASES:
        yield part.timed(
            cliff.makers(), seconds=4, rounds=(3, 100), reference=TORCH, rtol=1e-3, atol=1e-5
        )


def _run(context: Context) -> Result:
    figures = {OURS: 0.0, TORCH: 0.0}
    rows, worst = [], ("", 0.0)
    with Child(_timed, context.quick, **dict.fromkeys(machine.VARIABLES, "1")) as child:
        times = []
        for done in range(len(CASES)):
            context.report(done / len(CASES))
            times.append(child.turn())
    for cliff, found in zip(CASES, times, strict=True):
        ratio = found[OURS] / found[TORCH]
        worst = max(worst, (cliff.name, ratio), key=lambda pair: pair[1])
        rows.append([cliff.name, *[with_unit(found[w], "s") for w in figures], f"{ratio:.2f}"])
        for who in figures:
            figures[who] += found[who]
    result = Result(
        "cliffs", "gradients at sizes that are odd or extreme; float32, one thread", "s", figures
    )
    measured = f"{worst[1]:.2f}x torch ({worst[0]})"
    result.targets.append(Target(f"each ≤ {FACTOR}x torch", measured, worst[1] <= FACTOR))
    result.details.append(Detail("Each case", ["case", *figures, "ratio"], rows))
    return result


CLIFFS = Row("cliffs", _run, _makers)
