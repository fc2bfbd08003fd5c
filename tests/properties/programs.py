"""Random programs, as Python source: the machinery around the rules must agree with itself.

A program is a function of a few variables, written line by line at random: many values without
dimensions, both precisions, complex values, indexing, assignment, broadcasting, masks, reshapes and
values that are used several times or not at all. Every operation in it is smooth where it is
evaluated, so that differences are an oracle. `check` compares

* the raw walk, a second raw walk over dropped values, one over retained values, and one that adds
  small arrays in place too,
* the traced walk,
* forward mode, by ⟨gradient, direction⟩,
* central differences, where all is in double precision.

``python tests/properties/programs.py COUNT [FIRST_SEED]`` makes a long run; it prints the source of
a program that fails.
"""

from __future__ import annotations

import sys
from typing import Any
from unittest.mock import patch

import numpy as np

import dlgradient as dl
from dlgradient.engine import walk

SHAPES = ((), (), (), (1,), (3,), (2, 3), (1, 3), (2, 1), (3, 2))
FLOATS = ("float64", "float64", "float32")
# Smooth everywhere, and bounded, so that no program overflows.
ENTIRE = (
    "dl.sin({a})",
    "dl.tanh({a})",
    "{a} * 0.5",
    "-{a}",
    "{a} / 3",
    "1 - {a}",
    "dl.tanh({a}) ** 2",
    "dl.exp(dl.sin({a}))",
    "+{a}",
    "dl.asarray({a})",
    "dl.astype({a}, {dtype})",
    "np.atleast_1d({a})",
)
REAL_ONLY = (
    "dl.atan({a})",
    "dl.sqrt(1 + {a} * {a})",
    "dl.hypot({a}, 2.0)",
    "dl.where({a} > 0.1, {a} * 2, {a} ** 2)",
    "dl.maximum({a}, 0.05) * 0.3",
    "dl.clip({a}, -0.55, 0.65)",
    "dl.complex({a}, 2 * {a})",
)
COMPLEX_ONLY = ("dl.real({a})", "dl.imag({a})", "dl.conj({a})", "{a}.real * 1j", "{a}.imag")
PAIRS = (
    "{a} + {b}",
    "{a} - {b}",
    "{a} * {b} * 0.7",
    "{a} / (2 + dl.sin({b}) * 0.5)",
    "dl.add({a}, {b})",
)


class Writer:
    """Writes one program: its lines, and the values that it has so far."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.lines: list[str] = []
        self.double = bool(self.rng.random() < 0.6)
        self.starts: dict[str, Any] = {}
        for i in range(self.rng.integers(1, 4)):
            self.starts[f"x{i}"] = self._start()
        # Sizes and kinds are those that the program itself finds, line by line.
        self.scope: dict[str, Any] = {"dl": dl, "np": np}
        self.scope |= {name: dl.dlarray(value) for name, value in self.starts.items()}
        self.names = list(self.starts)
        for i in range(self.rng.integers(4, 25)):
            self._step(f"v{i}")
        self._end()

    def choice(self, options: Any) -> Any:
        return options[self.rng.integers(len(options))]

    def _start(self) -> Any:
        shape = self.choice(SHAPES)
        value = self.rng.uniform(-1.2, 1.2, shape)
        if self.rng.random() < 0.25:
            value = value + 1j * self.rng.uniform(-1.2, 1.2, shape)
        dtype = "float64" if self.double else self.choice(FLOATS)
        single = dtype == "float32"
        kind = np.asarray(value).dtype.kind
        target = {"f": np.float32, "c": np.complex64}[kind] if single else None
        return np.asarray(value if target is None else np.asarray(value).astype(target))

    def _try(self, name: str, text: str, *before: str) -> bool:
        """Run a line; keep it if it fits, and stays small."""
        scope = dict(self.scope)
        try:
            for line in (*before, f"{name} = {text}"):
                exec(line, scope)
        except (dl.DlgradientError, ValueError, TypeError, IndexError):
            return False
        value = scope[name]
        if not dl.isdlarray(value) or value.dtype.kind not in "fc" or value.size > 40:
            return False
        if not np.all(np.isfinite(dl.extractdata(value))):
            return False
        if np.max(np.abs(dl.extractdata(value)), initial=0) > 50:
            return False
        self.scope = scope
        self.lines += [*before, f"{name} = {text}"]
        self.names.append(name)
        return True

    def _step(self, name: str) -> None:
        for _ in range(20):
            a, b = (self.choice(self.names[-6:] + self.names) for _ in range(2))
            if self._try(name, *self._line(a, b)):
                return

    def _line(self, a: str, b: str) -> tuple[str, ...]:
        x = self.scope[a]
        form = self.rng.random()
        if form < 0.3:
            return (self.choice(PAIRS).format(a=a, b=b),)
        if form < 0.55:
            dtype = "dl.float64" if self.double else f"dl.{self.choice(FLOATS)}"
            if x.dtype.kind == "c":
                dtype = "dl.complex128" if self.double or dtype.endswith("64") else "dl.complex64"
            kind = COMPLEX_ONLY if x.dtype.kind == "c" else REAL_ONLY
            options = ENTIRE if self.rng.random() < 0.6 else kind
            return (self.choice(options).format(a=a, b=b, dtype=dtype),)
        if form < 0.75:
            return (f"{a}[{self._key(x)}]",)
        if form < 0.85:
            copy = f"w{len(self.lines)}"
            key = self._key(x)
            value = self.choice((b, f"{b} * 2", "0.25", f"{a}[{key}] * {b}"))
            return f"{copy} + 0", f"{copy} = +{a}", f"{copy}[{key}] = {value}"
        return (self._rearranged(a, b, x),)

    def _key(self, x: Any) -> str:
        if not x.ndim or not x.size:
            return self.choice(("()", "...", "None", "..., None"))
        n = x.shape[0]
        i = int(self.rng.integers(-n, n))
        several = [int(j) for j in self.rng.integers(-n, n, self.rng.integers(1, 4))]
        options = [f"{i}", f"{i}:", "::-1", f"np.array({several})", "..., 0", "None", "..."]
        if x.ndim == 1:
            mask = [bool(m) for m in self.rng.random(n) < 0.6]
            options += [f"np.array({mask})", f"{i}", f"{i}"]
        else:
            options += [f"{i}, {int(self.rng.integers(x.shape[1]))}"] * 2 + [f":, {i % x.shape[1]}"]
        return self.choice(options)

    def _rearranged(self, a: str, b: str, x: Any) -> str:
        options = [
            f"{a}.sum()",
            f"dl.mean({a})",
            f"dl.stack([{a}, {a} * 2])",
            f"dl.reshape({a}, (-1,))",
            f"{a}.T",
            f"dl.broadcast_to({a}, (2, 3))",
            f"{a} @ {b}",
            f"{a} * np.ones(1)",
            f"np.array([0.5, 2.0, 1.0]) * {a}",
        ]
        if x.ndim:
            options += [
                f"{a}.sum(axis=0)",
                f"dl.cumulative_sum({a}, axis=0)",
                f"dl.concat([{a}, {a} * 0.5])",
                f"dl.flip({a})",
                f"dl.std({a})" if x.size > 1 and x.dtype.kind == "f" else f"{a}.sum(axis=-1)",
            ]
        return self.choice(options)

    def _end(self) -> None:
        """Sum up some of the values, always the last, so that the result is a real scalar."""
        last = self.names[-1]
        some = {name for name in self.names if self.rng.random() < 0.35} | {last}
        terms = []
        for name in sorted(some):
            value = self.scope[name]
            text = name if not value.ndim and self.rng.random() < 0.8 else f"({name}).sum()"
            if value.dtype.kind == "c":
                text = self.choice((f"dl.real({text})", f"dl.imag({text})", f"({text}).real"))
            terms.append(text)
        self.lines.append(f"y = {' + '.join(terms)}")
        self.lines.append("if y.ndim: y = y.sum()")

    def source(self) -> str:
        """Return the program as a function."""
        body = "".join(f"    {line}\n" for line in self.lines)
        return f"def program({', '.join(self.starts)}):\n{body}    return y\n"


def check(seed: int) -> None:
    """Write the program of a seed, and compare all that must agree; AssertionError if not."""
    writer = Writer(seed)
    source = writer.source()
    scope: dict[str, Any] = {"dl": dl, "np": np}
    exec(source, scope)
    program = scope["program"]
    directions = [_direction(writer.rng, start) for start in writer.starts.values()]
    try:
        _compare(program, writer, directions)
    except Exception as error:
        values = "\n".join(f"{n} = {v!r}, {v.dtype}" for n, v in writer.starts.items())
        error.add_note(f"seed {seed}\n{source}\n{values}")
        raise


def _direction(rng: np.random.Generator, start: Any) -> Any:
    d = rng.normal(size=start.shape)
    if start.dtype.kind == "c":
        d = d + 1j * rng.normal(size=start.shape)
    return np.asarray(d).astype(start.dtype)


def _compare(program: Any, writer: Writer, directions: list[Any]) -> None:
    names, starts = list(writer.starts), list(writer.starts.values())
    xs = [dl.dlarray(start) for start in starts]

    def raw(*xs: Any) -> Any:
        y = program(*xs)
        first = _several(dl.dlgradient(y, *xs))
        again = _several(dl.dlgradient(y, *xs))
        return y, first, again

    def retained(*xs: Any) -> Any:
        y = program(*xs)
        first = _several(dl.dlgradient(y, *xs, retain_data=True))
        return first, _several(dl.dlgradient(y, *xs[::-1]))[::-1]

    def traced(*xs: Any) -> Any:
        return _several(dl.dlgradient(program(*xs), *xs, enable_higher_derivatives=True))

    def forward(*xs: Any) -> Any:
        return dl.dljvp(program(*xs), list(xs), directions)

    _, gradients, again = dl.dlfeval(raw, *xs)
    with patch.object(walk, "IN_PLACE_ELEMENTS", 0):  # as with large arrays
        in_place = dl.dlfeval(raw, *xs)[1]
    others = {
        "second walk": again,
        "sums in place": in_place,
        "retained": dl.dlfeval(retained, *xs)[0],
        "retained again": dl.dlfeval(retained, *xs)[1],
        "traced walk": dl.dlfeval(traced, *xs),
    }
    tolerance = 1e-9 if writer.double else 2e-3
    scale = 1 + max(float(np.max(np.abs(dl.extractdata(g)), initial=0)) for g in gradients)
    for what, found in others.items():
        for name, g, h in zip(names, gradients, found, strict=True):
            assert g.shape == h.shape, f"{what}: shapes of {name}"
            difference = np.max(np.abs(dl.extractdata(g) - dl.extractdata(h)), initial=0)
            assert difference <= tolerance * scale, f"{what}: {name} {g!r} {h!r}"
    slope = sum(_inner(g, d) for g, d in zip(gradients, directions, strict=True))
    pushed = float(dl.extractdata(dl.dlfeval(forward, *xs)))
    size = 1 + abs(slope) + scale
    assert abs(pushed - slope) <= tolerance * size, f"forward mode: {pushed}, walk {slope}"
    if writer.double:
        h = 1e-6
        up, down = (
            float(
                dl.extractdata(
                    program(
                        *[
                            dl.dlarray(s + k * h * d)
                            for s, d in zip(starts, directions, strict=True)
                        ]
                    )
                )
            )
            for k in (1, -1)
        )
        difference = (up - down) / (2 * h)
        assert abs(difference - slope) <= 2e-5 * size, f"differences: {difference}, walk {slope}"


def _several(gradients: Any) -> list[Any]:
    return list(gradients) if isinstance(gradients, tuple) else [gradients]


def _inner(g: Any, d: Any) -> float:
    return float(np.sum(np.real(np.conj(dl.extractdata(g)) * d)))


def main() -> int:
    """Check as many programs as are asked for; the number of those that fail."""
    count = int(sys.argv[1])
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    failures = 0
    for seed in range(first, first + count):
        try:
            check(seed)
        except Exception as error:  # noqa: BLE001 - every failure is shown, and counted
            failures += 1
            print(type(error).__name__, error, *getattr(error, "__notes__", ()), sep="\n")  # noqa: T201
    print(f"{count} programs from seed {first}: {failures} failed")  # noqa: T201
    return failures


if __name__ == "__main__":
    sys.exit(min(main(), 125))
