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
from dlgradient.native.maths import NAMES, maths

# As the module states them.
MOST = {
    "log": 1,
    "exp": 1.1,
    "log1p": 1.5,
    "sin": 1.5,
    "cos": 1.5,
    "cosh": 1.5,
    "tanh": 1.5,
    "erf": 1.6,
    "sinh": 1.6,
    "expm1": 2,
    "sigmoid": 1.6,
    "tan": 2.5,
}
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, -2.0, 1e22, 3e38, -3e38, 1e-45, -1e-45]
# Where an exponential leaves the range, and the double that is nearest to a multiple of π/2.
EDGES = [
    88.7,
    89.4,
    89.5,
    -87.4,
    -103.9,
    -104.0,
    709.7,
    709.8,
    710.4,
    710.5,
    -708.4,
    -745.1,
    -745.2,
]
HARDEST = float.fromhex("0x1.6ac5b262ca1ffp+849")


def sigmoid(x):
    """Return the logistic function."""
    return 1 / (1 + mp.exp(-x))


def values(name, x):
    """Return what a compiled function gives, for vectors and for a number."""
    found = []
    for lanes in (machine().lanes(ELEMENTS[x.dtype.char]), 1):
        f = Function("check")
        source, target, size = f.address("source"), f.address("target"), f.integer("size")
        kind = vector(ELEMENTS[x.dtype.char], lanes)
        with f.loop(0, size, lanes) as i:
            f.store(maths(f, name, f.load(kind, source, i)), target, i)
        padded = np.concatenate([x, np.zeros(-len(x) % lanes, x.dtype)])
        out = np.empty_like(padded)
        compiled(f)(address_of(padded), address_of(out), len(padded))
        found.append(out[: len(x)])
    np.testing.assert_array_equal(*found)
    return found[0]


def exact(name, x):
    """Return the value with forty digits; infinity and NaN as NumPy has them."""
    fun = sigmoid if name == "sigmoid" else getattr(mp, name)
    if name in ("log", "log1p") and x <= (-1 if name == "log1p" else 0):
        return mp.mpf("-inf") if x == (-1 if name == "log1p" else 0) else mp.mpf("nan")
    if name in ("sin", "cos", "tan") and not np.isfinite(x):
        return mp.mpf("nan")
    return fun(mp.mpf(float(x)))


def errors(name, x):
    """Return how many units in the last place each value is off."""
    y, found = values(name, x), []
    for a, b in zip(x, y, strict=True):
        with mp.workdps(40):
            wanted = exact(name, a)
            limit = float(np.finfo(x.dtype).max) * (1 + float(np.finfo(x.dtype).eps) / 4)
            if mp.isnan(wanted) or mp.isinf(wanted) or abs(wanted) >= limit:
                right = (
                    np.isnan(b)
                    if mp.isnan(wanted)
                    else b == np.sign(float(mp.sign(wanted))) * np.inf
                )
                found.append(0.0 if right else np.inf)
                continue
            near = x.dtype.type(float(wanted))
            unit = mp.mpf(
                float(np.spacing(np.abs(near if np.isfinite(near) else np.finfo(x.dtype).max)))
            )
            found.append(float(abs(mp.mpf(float(b)) - wanted) / unit) if np.isfinite(b) else np.inf)
            if b == 0 and a == 0 and name not in ("exp", "cos", "cosh", "sigmoid", "log"):
                assert np.signbit(a) == np.signbit(b), (name, a)
    return np.array(found)


def arguments(rng, dtype):
    """Return numbers of all sizes, and of the usual ones, and those where something changes."""
    bits = np.dtype(f"u{dtype.itemsize}")
    x = rng.integers(0, np.iinfo(bits).max, 400, dtype=bits, endpoint=True).view(dtype)
    parts = [x, *[rng.uniform(-n, n, 250) for n in (1, 10, 100, 1000)]]
    whole = rng.integers(1, 10**6, 200) * (np.pi / 2)
    with np.errstate(over="ignore"):
        parts += [whole, np.array([*SPECIAL, *EDGES, HARDEST])]
        return np.concatenate([p.astype(dtype) for p in parts])


def check(name, dtype, rng):
    """Raise an error if a function is less accurate than is stated."""
    x = arguments(rng, np.dtype(dtype))
    with np.errstate(all="ignore"):
        off = errors(name, x)
    worst = int(np.argmax(off))
    assert off[worst] <= MOST[name], (name, dtype, x[worst], off[worst])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_functions_are_as_accurate_as_stated(rng, name, dtype):
    check(name, dtype, rng)


BASELINE = """
from llvmlite import binding
binding.get_host_cpu_name = lambda: "x86-64"
binding.get_host_cpu_features = binding.targets.FeatureMap
import numpy as np
from test_maths import NAMES, check
from dlgradient.native.machine import machine
assert not machine().fused
for name in NAMES:
    for dtype in (np.float32, np.float64):
        check(name, dtype, np.random.default_rng(0))
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="another baseline")
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
