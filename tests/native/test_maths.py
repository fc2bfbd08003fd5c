"""Compiled mathematical functions, against mpmath: over all numbers, with and without FMA."""

import platform
import subprocess
import sys
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest

pytest.importorskip("llvmlite")

from dlgradient.native.code import ELEMENTS, Function, vector
from dlgradient.native.compiler import address_of, compiled
from dlgradient.native.machine import machine
from dlgradient.native.maths import sigmoid_of_negative, tanh

# The function, its exact value, and its greatest error in units of the last place, as the module
# states it.
KNOWN = {
    "sigmoid": (sigmoid_of_negative, lambda x: 1 / (1 + mp.exp(x)), 1.6),
    "tanh": (tanh, mp.tanh, 1.5),
}
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 3e38, -3e38, 1e-45, -1e-45]
# Where a polynomial ends, and where the exponential leaves the range.
EDGES = [0.625, 9.0, 20.0, 40.0, 87.4, 88.7, 103.9, 104.0, 708.4, 709.8, 745.1, 745.2]


def values(name, x):
    """Return what a compiled function gives, for vectors and for a number."""
    found = []
    for lanes in (machine().lanes(ELEMENTS[x.dtype.char]), 1):
        f = Function("check")
        source, target, size = f.address("source"), f.address("target"), f.integer("size")
        kind = vector(ELEMENTS[x.dtype.char], lanes)
        with f.loop(0, size, lanes) as i:
            f.store(KNOWN[name][0](f, f.load(kind, source, i)), target, i)
        padded = np.concatenate([x, np.zeros(-len(x) % lanes, x.dtype)])
        out = np.empty_like(padded)
        compiled(f)(address_of(padded), address_of(out), len(padded))
        found.append(out[: len(x)])
    np.testing.assert_array_equal(*found)
    return found[0]


def error(found, exact):
    """Return how many units in the last place a number is off."""
    if mp.isnan(exact):
        return 0.0 if np.isnan(found) else np.inf
    unit = np.spacing(abs(found.dtype.type(float(exact))))
    return float(abs(mp.mpf(float(found)) - exact) / mp.mpf(float(unit)))


def arguments(rng, dtype):
    """Return numbers of all sizes, and of the usual ones, and those where something changes."""
    bits = np.dtype(f"u{dtype.itemsize}")
    x = rng.integers(0, np.iinfo(bits).max, 400, dtype=bits, endpoint=True).view(dtype)
    edges = np.array(EDGES, dtype)
    parts = [x, *[rng.uniform(-n, n, 500) for n in (1, 10, 100, 750)], np.array(SPECIAL)]
    parts += [s * np.nextafter(edges, to) for s in (-1, 1) for to in (edges, dtype.type(0))]
    with np.errstate(over="ignore"):
        return np.concatenate([p.astype(dtype) for p in parts])


def check(name, dtype, rng):
    """Raise an error if a function is less accurate than is stated."""
    x = arguments(rng, np.dtype(dtype))
    y = values(name, x)
    _, exact, most = KNOWN[name]
    with mp.workdps(40), np.errstate(all="ignore"):
        off = [error(b, exact(mp.mpf(float(a)))) for a, b in zip(x, y, strict=True)]
    worst = int(np.argmax(off))
    assert off[worst] <= most, (name, dtype, x[worst], off[worst])
    if name == "tanh":
        np.testing.assert_array_equal(np.signbit(y[x == 0]), np.signbit(x[x == 0]))
    return off[worst]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", KNOWN)
def test_functions_are_as_accurate_as_stated(rng, name, dtype):
    check(name, dtype, rng)


BASELINE = """
from llvmlite import binding
binding.get_host_cpu_name = lambda: "x86-64"
binding.get_host_cpu_features = binding.targets.FeatureMap
import numpy as np
from test_maths import KNOWN, check
from dlgradient.native.machine import machine
assert machine().vector_bytes == 16
for name in KNOWN:
    for dtype in (np.float32, np.float64):
        check(name, dtype, np.random.default_rng(0))
"""


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="says what x86 can do; run it there"
)
def test_functions_are_as_accurate_on_the_smallest_processor(tmp_path, monkeypatch):
    monkeypatch.setenv("DLGRADIENT_CACHE", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", BASELINE],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
