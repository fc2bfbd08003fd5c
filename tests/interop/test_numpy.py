"""NumPy's functions, ufuncs and array methods on a dlarray: same values, and traced."""

import itertools
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.interop import supported
from dlgradient.rules import DERIVED, OPS

X = np.array([[0.3, -1.2, 0.7], [1.9, -0.4, 1.1]])
Y = np.array([[1.4, 0.2, -0.9], [0.6, 1.3, -1.7]])

# Calls that are differentiable at X: each is made with NumPy arrays and with dlarrays.
CALLS: dict[str, Callable[[Any], Any]] = {
    "add": lambda x: np.add(x, Y),
    "array + x": lambda x: Y + x,
    "scalar * x": lambda x: np.float64(2.5) * x,
    "array @ x": lambda x: Y.T @ x,
    "array - x[i]": lambda x: Y - x[1],
    "negative": np.negative,
    "power": lambda x: np.power(np.abs(x), 1.5),
    "exp2": np.exp2,
    "square": np.square,
    "sqrt": lambda x: np.sqrt(np.abs(x)),
    "hypot": lambda x: np.hypot(x, Y),
    "fabs": np.fabs,
    "deg2rad": np.deg2rad,
    "degrees": np.degrees,
    "maximum": lambda x: np.maximum(x, Y),
    "divmod": lambda x: np.divmod(x, 0.65)[1],
    "sum": np.sum,
    "sum axis": lambda x: np.sum(x, 0),
    "sum named": lambda x: np.sum(a=x, axis=-1, keepdims=True),
    "sum dtype": lambda x: np.sum(x, dtype=np.float64),
    "sum defaults": lambda x: np.sum(x, axis=None, dtype=None, out=None),
    "mean": lambda x: np.mean(x, 1),
    "prod": lambda x: np.prod(x, axis=1),
    "var": lambda x: np.var(x, axis=1, ddof=1),
    "var correction": lambda x: np.var(x, correction=1),
    "std": lambda x: np.std(x, axis=0, keepdims=True),
    "max": lambda x: np.max(x, 0),
    "amax": lambda x: np.amax(x, axis=1),
    "min": np.min,
    "amin": lambda x: np.amin(x, 1, keepdims=True),
    "ptp": lambda x: np.ptp(x, 0),
    "add.reduce": np.add.reduce,
    "add.reduce all": lambda x: np.add.reduce(x, axis=None),
    "multiply.reduce": lambda x: np.multiply.reduce(x, 1, keepdims=True),
    "maximum.reduce": lambda x: np.maximum.reduce(x, axis=1),
    "minimum.reduce": np.minimum.reduce,
    "add.accumulate": np.add.accumulate,
    "multiply.accumulate": lambda x: np.multiply.accumulate(x, axis=1),
    "multiply.outer": lambda x: np.multiply.outer(x, Y[0]),
    "subtract.outer": lambda x: np.subtract.outer(Y[0], x),
    "cumsum": np.cumsum,
    "cumsum axis": lambda x: np.cumsum(x, 1),
    "cumprod": lambda x: np.cumprod(x, axis=0),
    "cumulative_sum": lambda x: np.cumulative_sum(x, axis=1),
    "concatenate": lambda x: np.concatenate([x, Y, 2 * x]),
    "concatenate axis": lambda x: np.concatenate((Y, x), axis=1),
    "concatenate flat": lambda x: np.concatenate([x, x * x], axis=None),
    "concat": lambda x: np.concat([x, x], axis=-1),
    "stack": lambda x: np.stack([x, Y], axis=1),
    "vstack": lambda x: np.vstack([x[0], Y, x]),
    "hstack": lambda x: np.hstack([x, Y]),
    "hstack flat": lambda x: np.hstack([x[0], x[1]]),
    "dstack": lambda x: np.dstack([x, Y]),
    "column_stack": lambda x: np.column_stack([x[0], Y.T, x[1]]),
    "block": lambda x: np.block([[x, Y], [x * x, 2 * Y]]),
    "block of vectors": lambda x: np.block([x[0], 1.0, x[1]]),
    "block of depth three": lambda x: np.block([[[x], [Y]]]),
    "array of rows": lambda x: np.array([x[0], Y[0], [1.0, 2.0, 3.0]], like=x),
    "array of elements": lambda x: np.asarray([[x[0, 0], 1], [x[0, 1], x[1, 2]]], like=x),
    "array with dimensions": lambda x: np.array(x[0], ndmin=2, like=x),
    "append": lambda x: np.append(x, Y),
    "append axis": lambda x: np.append(x, Y, axis=0),
    "split": lambda x: np.split(x, 3, axis=1)[1],
    "split at": lambda x: np.split(x, [1, 2], axis=1)[2],
    "array_split": lambda x: np.array_split(x, 2, axis=1)[0],
    "hsplit": lambda x: np.hsplit(x, 3)[2],
    "vsplit": lambda x: np.vsplit(x, 2)[1],
    "unstack": lambda x: np.unstack(x, axis=1)[1],
    "transpose": np.transpose,
    "transpose axes": lambda x: np.transpose(x, (1, 0)),
    "permute_dims": lambda x: np.permute_dims(x, axes=(1, 0)),
    "matrix_transpose": np.matrix_transpose,
    "swapaxes": lambda x: np.swapaxes(x, 0, -1),
    "moveaxis": lambda x: np.moveaxis(x[None], 0, -1),
    "moveaxis several": lambda x: np.moveaxis(x[None, ..., None], (0, 3), (2, 0)),
    "ravel": np.ravel,
    "reshape": lambda x: np.reshape(x, (3, 2)),
    "reshape flat": lambda x: np.reshape(x, -1),
    "expand_dims": lambda x: np.expand_dims(x, 1),
    "expand_dims several": lambda x: np.expand_dims(x, (0, -1)),
    "squeeze": lambda x: np.squeeze(x[None, :, :1]),
    "squeeze axis": lambda x: np.squeeze(x[None], axis=0),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 2, 3)),
    "broadcast_arrays": lambda x: np.broadcast_arrays(x[0], Y)[0],
    "atleast_1d": lambda x: np.atleast_1d(x[0, 0]),
    "atleast_2d": lambda x: np.atleast_2d(x[0]),
    "atleast_3d": np.atleast_3d,
    "atleast several": lambda x: np.atleast_1d(x[0, 0], x[1])[0],
    "flip": np.flip,
    "flip axis": lambda x: np.flip(x, 1),
    "fliplr": np.fliplr,
    "flipud": np.flipud,
    "roll": lambda x: np.roll(x, 2),
    "roll axis": lambda x: np.roll(x, 1, axis=1),
    "repeat": lambda x: np.repeat(x, 2, axis=1),
    "repeat flat": lambda x: np.repeat(x, 2),
    "tile": lambda x: np.tile(x, (2, 1)),
    "meshgrid": lambda x: np.meshgrid(x[0], x[1])[1],
    "meshgrid ij": lambda x: np.meshgrid(x[0], x[1], indexing="ij")[0],
    "where": lambda x: np.where(Y > 0, x, 2 * x),
    "take": lambda x: np.take(x, [0, 4, 4]),
    "take axis": lambda x: np.take(x, [2, 0], axis=1),
    "take one": lambda x: np.take(x, 1, axis=1),
    "diagonal": lambda x: np.diagonal(x, 1),
    "diagonal below": lambda x: np.diagonal(x, -1),
    "sort": np.sort,
    "sort axis": lambda x: np.sort(x, 0, kind="stable"),
    "sort flat": lambda x: np.sort(x, axis=None),
    "sort_complex": lambda x: np.sort_complex(x).real,
    "partition": lambda x: np.partition(x, (0, 1, 2), axis=1),
    "median": np.median,
    "median axis": lambda x: np.median(x, axis=(0, 1), keepdims=True),
    "quantile": lambda x: np.quantile(x, [0.2, 0.7], axis=1),
    "percentile": lambda x: np.percentile(x, 30, 1, method="hazen"),
    "nanpercentile": lambda x: np.nanpercentile(x, [20, 30], axis=0, keepdims=True),
    "nanmean": lambda x: np.nanmean(np.where(Y > 1, np.nan, x), axis=1),
    "nansum": lambda x: np.nansum(np.where(Y > 1, np.nan, x), dtype=np.float64),
    "nanstd": lambda x: np.nanstd(x, axis=1, ddof=1),
    "nan_to_num": lambda x: np.nan_to_num(np.where(Y > 1, np.inf, x), posinf=2.0),
    "average": lambda x: np.average(x, axis=1, weights=[1.0, 2.0, 0.5]),
    "average returned": lambda x: np.average(x, 1, x * x, returned=True)[1],
    "average number": lambda x: x[:, 0] / np.average(x.astype(bool), 1, returned=True)[1],
    "average narrow": lambda x: x[:, 0] * np.average(x, 1, np.float32(Y), returned=True)[1],
    "average several": lambda x: x[0, 0] * np.average(x, (1, 0), np.abs(Y.T), returned=True)[1],
    "cov": np.cov,
    "cov bias": lambda x: np.cov(x, Y, bias=True),
    "cov weights": lambda x: np.cov(x, ddof=0, fweights=[1, 2, 1], aweights=[0.3, 1, 2]),
    "corrcoef": lambda x: np.corrcoef(x, rowvar=False),
    "diff append": lambda x: np.diff(x, append=x[:, :2]),
    "ediff1d": lambda x: np.ediff1d(x, to_begin=x[0, 0], to_end=[1.0, 2.0]),
    "gradient": lambda x: np.gradient(x, axis=1),
    "gradient several": lambda x: np.gradient(x, 0.5, [0.0, 1.0, 3.0])[1],
    "gradient edges": lambda x: np.gradient(x, [0.0, 1.0, 3.0], axis=1, edge_order=2),
    "gradient points": lambda x: np.gradient(Y[0], np.cumsum(x[0] ** 2), edge_order=2),
    "trapezoid": lambda x: np.trapezoid(x, dx=0.5, axis=0),
    "trapezoid points": lambda x: np.trapezoid(Y, x),
    "pad": lambda x: np.pad(x, 1),
    "pad ramp": lambda x: np.pad(x, ((1, 2), (0, 1)), "linear_ramp", end_values=2.0),
    "pad reflect": lambda x: np.pad(x, 2, mode="reflect", reflect_type="odd"),
    "interp": lambda x: np.interp(x, [-1.0, 0.0, 2.0], Y[0]),
    "interp ends": lambda x: np.interp([-3.0, 0.1], np.sort(x[0]), Y[0], left=7.0),
    "interp period": lambda x: np.interp(x, [0.0, 0.4, 0.5], Y[0], period=1.0),
    "maximum.accumulate": lambda x: np.maximum.accumulate(x, axis=1),
    "minimum.accumulate": np.minimum.accumulate,
    "insert": lambda x: np.insert(x, 1, 7.0, axis=1),
    "insert values": lambda x: np.insert(x, [0, 2], x[:, :2], axis=1),
    "insert flat": lambda x: np.insert(x, 2, x[0]),
    "insert several": lambda x: np.insert(x[0], 1, x[1]),
    "insert rows": lambda x: np.insert(x, slice(0, 2), x[:1], axis=0),
    "delete": lambda x: np.delete(x, [0, -1], axis=1),
    "delete flat": lambda x: np.delete(x, slice(1, 4)),
    "resize": lambda x: np.resize(x, (2, 5)),
    "trim_zeros": lambda x: np.trim_zeros(np.pad(x[0], 2), "f"),
    "rot90": np.rot90,
    "rot90 twice": lambda x: np.rot90(x, 2),
    "rot90 back": lambda x: np.rot90(x, -1),
    "rot90 axes": lambda x: np.rot90(x[None], 1, axes=(2, 0)),
    "rot90 none": lambda x: np.rot90(x, 4),
    "diagflat": lambda x: np.diagflat(x, 1),
    "select": lambda x: np.select([Y > 1, Y > 0], [x, 2 * x], 5.0),
    "piecewise": lambda x: np.piecewise(x, [Y < 0, Y > 1], [np.sin, np.exp, 3.0]),
    "piecewise one": lambda x: np.piecewise(x[0], Y[0] > 0, [lambda v, a: a * v, 0.0], 2.0),
    "choose": lambda x: np.choose([1, 0, 2], [x, 2 * x, Y]),
    "compress": lambda x: np.compress([True, False, True], x, axis=1),
    "extract": lambda x: np.extract(Y > 0, x),
    "apply_along_axis": lambda x: np.apply_along_axis(lambda v: v[:2] * v.sum(), 1, x),
    "apply_along_axis number": lambda x: np.apply_along_axis(np.sum, 0, x),
    "apply_over_axes": lambda x: np.apply_over_axes(np.sum, x, [0, 1]),
    "unique": np.unique,
    "unique axis": lambda x: np.unique(np.concatenate([x, x]), axis=0),
    "unique_values": lambda x: np.sort(np.unique_values(x)),
    "unique_all": lambda x: np.unique_all(x).values,
    "union1d": lambda x: np.union1d(x, x[0]),
    "intersect1d": lambda x: np.intersect1d(x, x[0]),
    "setdiff1d": lambda x: np.setdiff1d(x, x[0, :2]),
    "setxor1d": lambda x: np.setxor1d(x, [5.0, 6.0]),
    "float_power": lambda x: np.float_power(np.abs(x), 1.5),
    "heaviside": lambda x: np.heaviside(x, x) * x,
    "modf": lambda x: np.modf(3 * x)[0],
    "frexp": lambda x: np.frexp(x)[0],
    "ldexp": lambda x: np.ldexp(x, [1, -2, 3]),
    "unwrap": lambda x: np.unwrap(9 * x, axis=0),
    "fmax": lambda x: np.fmax(x, np.where(Y > 1, np.nan, Y)),
    "fmin": lambda x: np.fmin(np.where(Y > 1, np.nan, Y), x),
    "fmod": lambda x: np.fmod(x, 0.37 * Y),
    "fmod divisor": lambda x: np.fmod(2.9 * Y, x),
    "logaddexp2": lambda x: np.logaddexp2(x, Y),
    "sinc": np.sinc,
    "linspace": lambda x: np.linspace(x[0], 2.0, 4),
    "linspace step": lambda x: np.linspace(x[0], x[1], 4, endpoint=False, retstep=True)[1],
    "linspace axis": lambda x: np.linspace(x[0], x[1], 4, axis=-1),
    "logspace": lambda x: np.logspace(x[0], x[1], 4, base=2.0),
    "geomspace": lambda x: np.geomspace(x[0] ** 2, x[1] ** 2, 4),
    "polyval": lambda x: np.polyval(x[0], x),
    "polyadd": lambda x: np.polyadd(x[0], x[1, :2]),
    "polysub": lambda x: np.polysub(x[0, :1], x[1]),
    "polymul": lambda x: np.polymul(x[0], x[1]),
    "polyder": lambda x: np.polyder(x[0], 2),
    "polyint": lambda x: np.polyint(x[0], 2, k=[1.0, 2.0]),
    "vander": lambda x: np.vander(x[0], 4),
    "vander increasing": lambda x: np.vander(x[0], increasing=True),
    **{
        f"{f.__name__} {mode} {n}": lambda x, f=f, mode=mode, n=n: f(
            np.ravel(x)[:n], np.sin(np.ravel(x))[: 7 - n], mode
        )
        for f in (np.convolve, np.correlate)
        for mode in ("full", "same", "valid")
        for n in (2, 3, 4, 5)
    },
    "trace": np.trace,
    "linalg.trace": np.linalg.trace,
    "linalg.diagonal": np.linalg.diagonal,
    "diag of a matrix": np.diag,
    "diag of a vector": lambda x: np.diag(x[0], -1),
    "diff": np.diff,
    "diff twice": lambda x: np.diff(x, 2),
    "diff prepend": lambda x: np.diff(x, axis=0, prepend=0.0),
    "clip": lambda x: np.clip(x, -1.0, 1.0),
    "clip one side": lambda x: np.clip(x, None, 0.5),
    "clip named": lambda x: np.clip(x, min=-0.5),
    "dot": lambda x: np.dot(x, Y.T),
    "dot vectors": lambda x: np.dot(x[0], x[1]),
    "dot deep": lambda x: np.dot(x[None], Y.T[None]),
    "dot scalar": lambda x: np.dot(x, 2.0),
    "matmul": lambda x: np.matmul(Y.T, x),
    "linalg.matmul": lambda x: np.linalg.matmul(x, Y.T),
    "inner": lambda x: np.inner(x, Y),
    "outer": lambda x: np.outer(x, Y[0]),
    "linalg.outer": lambda x: np.linalg.outer(x[0], Y[1]),
    "tensordot": lambda x: np.tensordot(x, Y, axes=([1], [1])),
    "tensordot full": lambda x: np.tensordot(x, Y),
    "vdot": lambda x: np.vdot(x, Y),
    "vecdot": lambda x: np.vecdot(x, Y),
    "matvec": lambda x: x @ Y[0] if not hasattr(np, "matvec") else np.matvec(x, Y),
    "vecmat": lambda x: Y @ x.T if not hasattr(np, "vecmat") else np.vecmat(Y, x.T),
    "dsplit": lambda x: np.dsplit(x[None], 3)[1],
    "astype": lambda x: np.astype(x, np.float64),
    "copy": np.copy,
    "real": np.real,
    "full_like": lambda x: np.full_like(x, x[0, 0]),
    # methods
    "x.sum": lambda x: x.sum(0),
    "x.sum keepdims": lambda x: x.sum(axis=1, keepdims=True),
    "x.mean": lambda x: x.mean(axis=0),
    "x.prod": lambda x: x.prod(),
    "x.var": lambda x: x.var(axis=1, ddof=1),
    "x.std": lambda x: x.std(),
    "x.max": lambda x: x.max(1),
    "x.min": lambda x: x.min(axis=0),
    "x.cumsum": lambda x: x.cumsum(),
    "x.cumprod": lambda x: x.cumprod(axis=1),
    "x.trace": lambda x: x.trace(),
    "x.reshape": lambda x: x.reshape(3, -1),
    "x.reshape tuple": lambda x: x.reshape((3, 2)),
    "x.ravel": lambda x: x.ravel(),
    "x.flatten": lambda x: x.flatten(),
    "x.transpose": lambda x: x.transpose(),
    "x.transpose none": lambda x: x.transpose(None),
    "x.transpose one": lambda x: x[0].transpose(0),
    "x.reshape one": lambda x: x.reshape(-1),
    "x.reshape list": lambda x: x.reshape([6]),
    "x.transpose axes": lambda x: x.transpose(1, 0),
    "x.transpose tuple": lambda x: x.transpose((1, 0)),
    "x.T": lambda x: x.T,
    "x.mT": lambda x: x.mT,
    "x.swapaxes": lambda x: x.swapaxes(0, 1),
    "x.squeeze": lambda x: x[:1].squeeze(),
    "x.diagonal": lambda x: x.diagonal(),
    "x.repeat": lambda x: x.repeat(3, axis=0),
    "x.take": lambda x: x.take([1, 1], axis=0),
    "x.clip": lambda x: x.clip(-1, 1),
    "x.conj": lambda x: x.conj(),
    "x.conjugate": lambda x: x.conjugate(),
    "x.real": lambda x: x.real,
    "x.astype": lambda x: x.astype(np.float64),
    "x.copy": lambda x: x.copy(),
    "x.dot": lambda x: x.dot(Y.T),
    "x.flat": lambda x: np.stack(list(x.flat)),
}


def deprecated(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function of NumPy that is still answered, without its warning."""

    def call(x: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return function(x)

    return call


# Calls whose result has no derivative, and calls that only look at values.
CONSTANT: dict[str, Callable[[Any], Any]] = {
    "linspace of integers": lambda x: np.linspace(np.floor(x), 2.9, 5, dtype=np.int64),
    "round": np.round,
    "around": lambda x: np.around(x, 1),
    "round tens": lambda x: np.round(x * 100, -1),
    "x.round": lambda x: x.round(1),
    "floor": np.floor,
    "rint": np.rint,
    "fix": deprecated(np.fix),  # since NumPy 2.5
    "sign": np.sign,
    "any": lambda x: np.any(x > 0, axis=0),
    "all": lambda x: np.all(x > 0),
    "x.any": lambda x: (x > 0).any(1),
    "x.all": lambda x: (x > -9).all(),
    "logical_and.reduce": lambda x: np.logical_and.reduce(x > 0),
    "logical_or.reduce": lambda x: np.logical_or.reduce(x > 0),
    "argmax": lambda x: np.argmax(x, axis=1),
    "argmin": np.argmin,
    "x.argmax": lambda x: x.argmax(),
    "x.argmin": lambda x: x.argmin(0),
    "count_nonzero": lambda x: np.count_nonzero(x > 0, axis=0),
    "nonzero": lambda x: np.nonzero(x > 0)[1],
    "x.nonzero": lambda x: (x > 0).nonzero()[0],
    "where indices": lambda x: np.where(x > 0)[0],
    "argsort": np.argsort,
    "argsort stable": lambda x: np.argsort(x, axis=None, stable=True),
    "argpartition": lambda x: np.argpartition(x, (0, 1, 2)),
    "nanargmax": lambda x: np.nanargmax(x, axis=1),
    "digitize": lambda x: np.digitize(x, [0.0, 1.0]),
    "isposinf": lambda x: np.isposinf(np.where(Y > 1, np.inf, x)),
    "nextafter": lambda x: np.nextafter(x, Y),
    "histogram": lambda x: np.histogram(x, 3, (-1, 1))[0],
    "histogram of edges": lambda x: np.histogram(x, [-1.0, 0.0, 2.0])[0],
    "frexp exponent": lambda x: np.frexp(x)[1],
    "unique counts": lambda x: np.unique(x, return_counts=True)[1],
    "unique_inverse": lambda x: np.unique_inverse(x).inverse_indices,
    "intersect1d indices": lambda x: np.intersect1d(x, X[0], return_indices=True)[1],
    "x.argsort": lambda x: x[0].argsort(),
    "x.searchsorted": lambda x: x[0, 1:].searchsorted([0.0]),
    "isclose": lambda x: np.isclose(x, Y),
    "isfinite": np.isfinite,
    "array & (x > 0)": lambda x: (Y > 0) & (x > 0),
    "array | (x > 0)": lambda x: (Y > 0) | (x > 0),
    "array ^ (x > 0)": lambda x: (Y > 0) ^ (x > 0),
    "invert": lambda x: np.invert(x > 0),
    "array > x": lambda x: x < Y,
    "zeros_like": np.zeros_like,
    "zeros_like dtype": lambda x: np.zeros_like(x, dtype=np.float32),
    "ones_like": np.ones_like,
    "full_like": lambda x: np.full_like(x, 7.0),
    "full_like shape": lambda x: np.full_like(x, 7.0, shape=(2,)),
}
VALUES: dict[str, Callable[[Any], Any]] = {
    "shape": np.shape,
    "ndim": np.ndim,
    "size": np.size,
    "iscomplexobj": np.iscomplexobj,
    "isrealobj": np.isrealobj,
    "result_type": lambda x: np.result_type(x, np.float32),
    "array_equal": lambda x: np.array_equal(x, X),
    "allclose": lambda x: np.allclose(x, X),
    "array2string": lambda x: np.array2string(x, precision=1),
    "array_str": np.array_str,
    "array_repr": np.array_repr,
}
NEEDED = {"var correction": (np.var, "correction")}


def weighted(f: Callable[[Any], Any], x: Any) -> Any:
    y = f(x)
    return (y * np.cos(np.arange(y.size, dtype=float)).reshape(y.shape)).sum()


def central_differences(f: Callable[[Any], Any], x: Any, h: float = 1e-6) -> Any:
    out = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = h
        out[i] = (weighted(f, x + step) - weighted(f, x - step)) / (2 * h)
    return out


@pytest.mark.parametrize("name", CALLS)
def test_same_value_and_gradient(name: str) -> None:
    f = CALLS[name]
    expected = f(X)

    def run(x: Any) -> Any:
        y = f(x)
        assert dl.isdlarray(y)
        return y, dl.dlgradient(weighted(f, x), x)

    y, gradient = dl.dlfeval(run, dl.dlarray(X))
    assert y.shape == np.shape(expected)
    assert y.dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(dl.extractdata(y), expected, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(
        dl.extractdata(gradient), central_differences(f, X), rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("name", CONSTANT)
def test_same_value_without_derivative(name: str) -> None:
    f = CONSTANT[name]
    expected = np.asarray(f(X))

    def run(x: Any) -> Any:
        y = f(x)
        assert dl.isdlarray(y)
        return y, dl.dlgradient((y * x.sum()).sum() * 0.0 + x.sum(), x)

    y, _ = dl.dlfeval(run, dl.dlarray(X))
    assert y.shape == expected.shape
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(dl.extractdata(y), expected, rtol=1e-14)


@pytest.mark.parametrize("name", VALUES)
def test_functions_that_only_look(name: str) -> None:
    f = VALUES[name]
    assert dl.dlfeval(f, dl.dlarray(X)) == f(X)


def test_empty_like_is_zeros() -> None:
    y = np.empty_like(dl.dlarray(X), dtype=np.float32)
    assert y.dtype == np.float32
    assert not y.any()


@pytest.mark.parametrize("name", ["conj", "real", "imag", "angle", "absolute", "vdot", "sin"])
def test_complex_values(name: str) -> None:
    z = X + 1j * Y
    function = getattr(np, name)
    args = (z, z * 2) if name == "vdot" else (z,)
    result = function(*[dl.dlarray(a) for a in args])
    np.testing.assert_allclose(dl.extractdata(result), function(*args), rtol=1e-14)


def test_angle_in_degrees() -> None:
    assert np.angle(dl.dlarray(1j), deg=True).item() == pytest.approx(90)


def test_every_declared_function_of_numpy_is_answered() -> None:
    names = supported()
    for declaration in (*[op.declaration for op in OPS.values()], *DERIVED.values()):
        if isinstance(declaration.numpy, np.ufunc):
            assert declaration.numpy.__name__ in names


def test_formats_go_through() -> None:
    x = dl.dlarray(X, "CB")
    assert dl.dims(np.exp(x)) == "CB"
    assert dl.dims(np.sum(x, axis=1)) == "C"
    assert dl.dims(np.zeros_like(x)) == "CB"
    assert dl.dims(np.transpose(x)) == "BC"
    assert dl.dims(x.copy()) == "CB"


def test_a_copy_does_not_change_with_the_original() -> None:
    x = dl.dlarray(X)
    y = x.copy()
    z = np.copy(x)
    x[0, 0] = 100.0
    assert (y[0, 0].item(), z[0, 0].item()) == (0.3, 0.3)


def test_out_of_an_untraced_dlarray_is_written() -> None:
    out = np.zeros((2, 3))
    assert np.add(dl.dlarray(X), 1, out=out) is out
    np.testing.assert_array_equal(out, X + 1)
    total = np.zeros(3)
    assert np.sum(dl.dlarray(X), axis=0, out=total) is total
    np.testing.assert_array_equal(total, X.sum(0))
    a = np.ones((2, 3))
    a += dl.dlarray(X)
    np.testing.assert_array_equal(a, X + 1)


def test_writing_an_untraced_dlarray_into_an_ndarray() -> None:
    out = np.zeros((2, 3))
    np.copyto(out, dl.dlarray(X))
    np.testing.assert_array_equal(out, X)
    np.testing.assert_array_equal(np.full((2,), dl.dlarray(3.0)), [3.0, 3.0])
    with pytest.raises(dl.UnsupportedFunctionError, match=r"copyto.*x\[\.\.\.\] = v"):
        np.copyto(dl.dlarray(X), out)


def test_in_place_operators_of_a_dlarray_rebind() -> None:
    def f(x: Any) -> Any:
        a = dl.dlarray(Y)
        a += x
        a *= x
        return dl.dlgradient(a.sum(), x)

    gradient = dl.dlfeval(f, dl.dlarray(X))
    np.testing.assert_allclose(dl.extractdata(gradient), 2 * X + Y)


def test_saving_an_untraced_dlarray(tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", dl.dlarray(X))
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), X)


def test_operations_declared_later_are_found() -> None:
    assert "sin" in supported()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: np.packbits(x > 0), r"numpy\.packbits is not supported"),
        (lambda x: np.add.reduceat(x, [0]), r"numpy\.add\.reduceat"),
        (np.hypot.reduce, r"numpy\.hypot\.reduce.*numpy\.add\.reduce"),
    ],
)
def test_a_function_without_a_counterpart_is_refused(call: Any, text: str) -> None:
    with pytest.raises(dl.UnsupportedFunctionError, match=text):
        dl.dlfeval(call, dl.dlarray(X))
    np.testing.assert_array_equal(np.asarray(call(dl.dlarray(X))), call(X))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: np.sum(x, where=Y > 0), r"numpy\.sum: the keyword 'where'.*supported: .*axis"),
        (lambda x: x.sum(where=Y > 0), r"unknown keyword 'where'; .*dl\.where\(condition, x, 0\)"),
        (lambda x: np.sum(x, initial=1.0), r"numpy\.sum: the keyword 'initial'"),
        (lambda x: np.add(x, 1, where=Y > 0), r"numpy\.add: the keyword 'where'"),
        (lambda x: np.add(x, 1, casting="unsafe"), r"numpy\.add: the keyword 'casting'"),
        (lambda x: np.concatenate([x], casting="unsafe"), r"concatenate: the keyword 'casting'"),
        (lambda x: np.take(x, 0, mode="wrap"), r"numpy\.take: the keyword 'mode'"),
        (lambda x: np.add(x, 1, out=dl.dlarray(X)), r"out is a dlarray"),
        (lambda x: np.multiply.reduce(x, initial=2.0), r"multiply\.reduce: the keyword 'initial'"),
        (lambda x: np.sort(x, order="a"), r"numpy\.sort: order= .* leave it out"),
        (lambda x: np.argsort(x, order="a"), r"numpy\.argsort: order="),
        (lambda x: np.partition(x, 1, order="a"), r"numpy\.partition: order="),
        (lambda x: np.argpartition(x, 1, order="a"), r"numpy\.argpartition: order="),
    ],
)
def test_a_keyword_without_a_meaning_is_refused(call: Any, text: str) -> None:
    with pytest.raises(dl.UnknownKeywordError, match=text):
        dl.dlfeval(call, dl.dlarray(X))


REDUCTIONS = ["sum", "prod", "max", "amax", "min"]
KEYWORDS = [(name, "initial") for name in REDUCTIONS]
KEYWORDS += [(name, "where") for name in [*REDUCTIONS, "mean", "any", "all"]]


@pytest.mark.parametrize(("name", "keyword"), KEYWORDS)
def test_what_is_said_instead_of_a_keyword_has_its_value(name: str, keyword: str) -> None:
    function, scope = getattr(np, name), {k: getattr(dl, k) for k in dl.__all__}
    first = {"initial": 9.0} if keyword == "initial" else {"where": Y > 0}
    with pytest.raises(dl.UnknownKeywordError) as found:
        dl.dlfeval(lambda x: function(x, **first), dl.dlarray(X))
    text = re.search(r"; write ([^\n]+?)(, for .*)?\n", str(found.value))
    assert text, found.value
    for chosen, initial in itertools.product((Y > 0, np.isfinite(Y)), (-9.0, 9.0)):
        given = {"initial": initial} if name in REDUCTIONS else {}
        given |= {"where": chosen} if keyword == "where" else {}
        if keyword == "where" and name in ("sum", "prod"):  # one keyword at a time
            del given["initial"]
        scope |= {"x": dl.dlarray(X), "condition": chosen, "initial": initial}
        assert np.allclose(dl.extractdata(eval(text[1], scope)), function(X, **given))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: np.reshape(x, (3, 2), order="F"), "C order"),
        (lambda x: np.split(x, 2, axis=1), "equal parts"),
        (lambda x: np.swapaxes(x, 0, 5), r"swapaxes: axis2=5, .*shape \(2, 3\)"),
        (lambda x: np.diag(x[None]), "one or two dimensions"),
        (lambda x: np.where(x > 0, x), "both x and y"),
        (lambda x: np.array_split(x, 0), "must be positive"),
    ],
)
def test_an_argument_without_a_meaning_is_refused(call: Any, text: str) -> None:
    with pytest.raises(dl.InvalidArgumentError, match=text):
        call(dl.dlarray(X))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sort", r"dl\.sort"),
        ("fill", r"x\[...\] = v"),
        ("numpy", "extractdata"),
        ("detach", "extractdata"),
        ("backward", "dlgradient"),
        ("dim", r"x\.ndim"),
    ],
)
def test_a_method_of_others_names_ours(name: str, text: str) -> None:
    x = dl.dlarray(X)
    assert not hasattr(x, name)
    with pytest.raises(AttributeError, match=text):
        getattr(x, name)


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "max", "min", "var", "std", "any", "all"])
def test_an_unknown_keyword_of_a_method(name: str) -> None:
    with pytest.raises(dl.UnknownKeywordError, match=f"{name}: unknown keyword 'dim'; write axis="):
        getattr(dl.dlarray(X), name)(dim=0)


@pytest.mark.parametrize(("name", "kink"), [("fmax", np.maximum), ("fmin", np.minimum)])
def test_a_constant_without_nan_has_no_share_in_a_tie(name: str, kink: Any) -> None:
    def gradients(x: Any) -> Any:
        return [dl.dlgradient(f(x, 0.0).sum(), x) for f in (getattr(np, name), kink)]

    found, expected = dl.dlfeval(gradients, dl.dlarray([-1.0, 0.0, 2.0]))
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: np.histogram(x, 3), r"numpy\.histogram: the edges depend .*range="),
        (lambda x: np.histogram_bin_edges(x), r"numpy\.histogram_bin_edges: the edges depend"),
        (lambda x: np.histogram(Y, x[0]), r"numpy\.histogram: the edges depend"),
        (lambda x: np.histogram(Y, 3, (0, 1), weights=x), r"traced weights .*index_add"),
        (lambda x: np.histogram(Y, 3, (0, 1), None, x), r"traced weights .*index_add"),
    ],
)
def test_a_histogram_that_has_a_derivative_is_refused(call: Any, text: str) -> None:
    with pytest.raises(dl.UnsupportedFunctionError, match=text):
        dl.dlfeval(call, dl.dlarray(X))
