"""The node tests of the ONNX standard for arithmetic, reductions, indexing and shapes, all of them.

What the standard has in one operator is here sometimes a composition of array functions: a padding
is a choice of elements, and a scattering an assignment of one index after another.
"""

import functools

import numpy as np
import pytest
from onnx_nodes import check

import dlgradient as dl

# -- elementwise ---------------------------------------------------------------------------------


def plain(function):
    """An adapter of a function of the same inputs."""
    return lambda _, *inputs: function(*inputs)


def folded(function):
    """An adapter of a function of two inputs for any number of them."""
    return lambda _, *inputs: functools.reduce(function, inputs, dl.positive(inputs[0]))


def infinite(a, x):
    wanted = dl.where(x > 0, a.get("detect_positive", 1), a.get("detect_negative", 1))
    return dl.logical_and(dl.isinf(x), wanted != 0)


def divided(_, x, y):
    """A quotient, of integers without what lies behind the point."""
    if x.dtype.kind == "f":
        return dl.divide(x, y)
    return dl.sign(x) * dl.sign(y) * dl.floor_divide(dl.abs(x), dl.abs(y))


def modulo(a, x, y):
    """A remainder of the sign of the divisor, or of that of the dividend."""
    if not a.get("fmod", 0):
        return dl.remainder(x, y)
    return dl.sign(x) * dl.remainder(dl.abs(x), dl.abs(y))


ELEMENTWISE = {
    "abs": plain(dl.abs),
    "acos": plain(dl.acos),
    "acosh": plain(dl.acosh),
    "add": plain(dl.add),
    "and_": plain(dl.logical_and),
    "asin": plain(dl.asin),
    "asinh": plain(dl.asinh),
    "atan": plain(dl.atan),
    "atanh": plain(dl.atanh),
    "ceil": plain(dl.ceil),
    "cos": plain(dl.cos),
    "cosh": plain(dl.cosh),
    "div": divided,
    "equal": plain(dl.equal),
    "erf": plain(dl.erf),
    "exp": plain(dl.exp),
    "floor": plain(dl.floor),
    "greater": plain(dl.greater),
    "greater_or_equal": plain(dl.greater_equal),
    "identity": plain(dl.positive),
    "isinf": infinite,
    "isnan": plain(dl.isnan),
    "less": plain(dl.less),
    "less_or_equal": plain(dl.less_equal),
    "log": plain(dl.log),
    "max": folded(dl.maximum),
    "mean": lambda _, *inputs: dl.mean(dl.stack(inputs), 0),
    "min": folded(dl.minimum),
    "mod": modulo,
    "mul": plain(dl.multiply),
    "neg": plain(dl.negative),
    "not_": plain(dl.logical_not),
    "or_": plain(dl.logical_or),
    "pow": lambda _, x, y: dl.astype(dl.pow(x, y), x.dtype),
    "reciprocal": plain(dl.reciprocal),
    "round": plain(dl.round),
    "sign": plain(dl.sign),
    "sin": plain(dl.sin),
    "sinh": plain(dl.sinh),
    "sqrt": plain(dl.sqrt),
    "sub": plain(dl.subtract),
    "sum": lambda _, *inputs: dl.sum(dl.stack(inputs), 0),
    "tan": plain(dl.tan),
    "where": plain(dl.where),
    "xor": plain(dl.logical_xor),
}

# -- reductions and sums -------------------------------------------------------------------------


def reduced(function):
    """An adapter of a function of an array, dimensions and keepdims."""

    def adapter(a, x, axes=None):
        keepdims = bool(a.get("keepdims", 1))
        if axes is not None and axes.size:
            return function(x, tuple(axes.tolist()), keepdims=keepdims)
        if a.get("noop_with_empty_axes", 0):
            return function(x, (), keepdims=keepdims)
        return function(x, None, keepdims=keepdims)

    return adapter


def extreme(function, end):
    """The standard has an extreme of nothing, the end of all numbers, which is an error here."""

    def adapter(x, axes, keepdims):
        if not x.size:
            shape = [1 if i in axes else n for i, n in enumerate(x.shape)]
            x = dl.full(shape, end if x.dtype.kind == "f" else end > 0, dtype=x.dtype)
        return function(x, axes, keepdims=keepdims)

    return reduced(adapter)


def position(function):
    def adapter(a, x):
        axis, keepdims = a.get("axis", 0), bool(a.get("keepdims", 1))
        if a.get("select_last_index", 0):
            return x.shape[axis] - 1 - function(dl.flip(x, axis), axis, keepdims=keepdims)
        return function(x, axis, keepdims=keepdims)

    return adapter


def cumulative(function):
    def adapter(a, x, axis):
        axis = int(axis)
        exclusive, backwards = bool(a.get("exclusive", 0)), bool(a.get("reverse", 0))
        x = dl.flip(x, axis) if backwards else x
        y = function(x, axis=axis, dtype=x.dtype, include_initial=exclusive)
        y = dl.take(y, np.arange(x.shape[axis]), axis)
        return dl.flip(y, axis) if backwards else y

    return adapter


def norm(x, axes, keepdims):
    return dl.sqrt(dl.sum(x * x, axes, keepdims=keepdims))


def log_of_sum(x, axes, keepdims):
    return dl.log(dl.sum(x, axes, keepdims=keepdims))


def general_product(a, x, y, z=0.0):
    x = dl.matrix_transpose(x) if a.get("transA", 0) else x
    y = dl.matrix_transpose(y) if a.get("transB", 0) else y
    return a.get("alpha", 1.0) * dl.matmul(x, y) + a.get("beta", 1.0) * z


REDUCTIONS = {
    "argmax": position(dl.argmax),
    "argmin": position(dl.argmin),
    "cumprod": cumulative(dl.cumulative_prod),
    "cumsum": cumulative(dl.cumulative_sum),
    "gemm": general_product,
    "matmul": plain(dl.matmul),
    "reduce_log_sum": reduced(log_of_sum),
    "reduce_log_sum_exp": reduced(lambda x, axes, keepdims: log_of_sum(dl.exp(x), axes, keepdims)),
    "reducel1": reduced(lambda x, axes, keepdims: dl.sum(dl.abs(x), axes, keepdims=keepdims)),
    "reducel2": reduced(norm),
    "reducemax": extreme(dl.max, -np.inf),
    "reducemean": reduced(dl.mean),
    "reducemin": extreme(dl.min, np.inf),
    "reduceprod": reduced(dl.prod),
    "reducesum": reduced(dl.sum),
    "reducesumsquare": reduced(lambda x, axes, keepdims: dl.sum(x * x, axes, keepdims=keepdims)),
}

# -- indexing ------------------------------------------------------------------------------------


def gathered(a, x, indices):
    axis = a.get("axis", 0)
    flat = dl.take(x, indices.ravel(), axis)
    return dl.reshape(flat, (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


def gathered_by_tuples(a, x, indices):
    batch = a.get("batch_dims", 0)
    # Positions along the dimensions in front, of the shape of the ones given.
    front = np.indices(indices.shape[:-1])[:batch]
    return dl.dlarray(x)[(*front, *np.moveaxis(indices, -1, 0))]


COMBINATIONS = {
    "none": lambda _, update: update,
    "add": dl.add,
    "mul": dl.multiply,
    "max": dl.maximum,
    "min": dl.minimum,
}


def scattered(a, x, places, updates):
    """An assignment to each place in turn, since some places come twice."""
    y, combine = dl.dlarray(x), COMBINATIONS[a.get("reduction", b"none").decode()]
    for place, update in zip(map(tuple, places), updates, strict=True):
        y[place] = combine(y[place], update)
    return y


def scattered_elements(a, x, indices, updates):
    places = np.indices(indices.shape)
    places[a.get("axis", 0)] = indices
    return scattered(a, x, places.reshape(x.ndim, -1).T, updates.ravel())


def scattered_by_tuples(a, x, indices, updates):
    places = indices.reshape(-1, indices.shape[-1])
    return scattered(a, x, places, updates.reshape(len(places), *x.shape[places.shape[-1] :]))


def one_hot(a, indices, depth, values):
    depth, axis = int(depth), a.get("axis", -1)
    classes = indices.astype(np.int64)
    classes = np.where(classes < 0, classes + depth, classes)
    outside = (classes < 0) | (classes >= depth)
    y = dl.onehotencode(np.where(outside, depth, classes), axis, class_names=range(depth + 1))
    y = dl.take(y, np.arange(depth), axis)  # without the class of those outside
    return dl.where(y != 0, values[1], values[0])


def sliced(_, x, starts, ends, axes=None, steps=None):
    axes = range(len(starts)) if axes is None else axes
    steps = np.ones(len(starts), int) if steps is None else steps
    index = [slice(None)] * x.ndim
    for first, last, axis, step in zip(starts, ends, axes, steps, strict=True):
        index[axis] = slice(first, last, step)
    return dl.dlarray(x)[tuple(index)]


def reversed_steps(a, x, lengths):
    time, batch = a.get("time_axis", 0), a.get("batch_axis", 1)
    steps, lengths = np.arange(x.shape[time]), lengths[:, None]
    order = np.where(steps < lengths, lengths - 1 - steps, steps)
    return dl.take_along_axis(x, order if batch == 0 else order.T, time)


def cached(a, x, update, starts=None):
    """Steps that are written into a cache, for each observation from a step of its own on."""
    axis = a.get("axis", -2) % x.ndim
    steps = np.arange(update.shape[axis])
    y = dl.dlarray(x)
    for i, first in enumerate(np.zeros(x.shape[0], int) if starts is None else starts):
        one = slice(i, i + 1)
        y[(one, *[slice(None)] * (axis - 1), (first + steps) % x.shape[axis])] = update[one]
    return y


INDEXING = {
    "gather": gathered,
    "gatherelements": lambda a, x, indices: dl.take_along_axis(x, indices, a.get("axis", 0)),
    "gathernd": gathered_by_tuples,
    "onehot": one_hot,
    "reversesequence": reversed_steps,
    "scatter": scattered_elements,
    "scatterelements": scattered_elements,
    "scatternd": scattered_by_tuples,
    "slice": sliced,
    "tensorscatter": cached,
}

# -- shapes --------------------------------------------------------------------------------------


def chosen(x, order, axis):
    """Elements along a dimension, and which of them exist, shaped for broadcasting."""
    others = tuple(i for i in range(x.ndim) if i != axis % x.ndim)
    return dl.take(x, np.maximum(order, 0), axis), np.expand_dims(order >= 0, others)


def padded(a, x, pads, value=None, axes=None):
    """A padding as a choice of elements along each dimension, then a value in place of none."""
    axes = range(x.ndim) if axes is None else axes
    mode = a.get("mode", b"constant").decode()
    options = {"constant_values": -1} if mode == "constant" else {}
    exist = True
    for axis, pair in zip(axes, pads.reshape(2, -1).T, strict=True):
        order = np.pad(np.arange(x.shape[axis]), pair, mode, **options)
        x, exists = chosen(x, order, axis)
        exist = exist & exists
    return dl.where(exist, x, x.dtype.type(0) if value is None else value)


def centered(a, x, shape):
    """The middle of an array, zeros around it where it is too small."""
    exist = True
    for axis, size in zip(a.get("axes", range(x.ndim)), shape, strict=True):
        n = x.shape[axis]
        order = np.arange(size) + ((n - size) // 2 if n > size else -((size - n) // 2))
        x, exists = chosen(x, np.where((order >= 0) & (order < n), order, -1), axis)
        exist = exist & exists
    return dl.where(exist, x, 0)


def eye(a, x):
    kinds = {1: np.float32, 11: np.float64}
    return dl.eye(*x.shape, k=a.get("k", 0), dtype=kinds.get(a.get("dtype"), x.dtype))


def compressed(a, x, condition):
    x, axis = (x, a["axis"]) if "axis" in a else (x.ravel(), 0)
    return dl.take(x, np.flatnonzero(condition), axis)


def split(a, x, sizes=None):
    axis = a.get("axis", 0)
    n, count = x.shape[axis], a["outputs"]
    ends = np.minimum(-(-n // count) * np.arange(1, count + 1), n)
    ends = ends if sizes is None else np.cumsum(sizes)
    starts = [0, *ends[:-1]]
    return tuple(dl.take(x, np.arange(p, q), axis) for p, q in zip(starts, ends, strict=True))


def reshaped(a, x, shape):
    """Zeros stand for the size that a dimension has."""
    kept = [] if a.get("allowzero", 0) else np.flatnonzero(shape == 0)
    return dl.reshape(x, [x.shape[i] if i in kept else n for i, n in enumerate(shape.tolist())])


def permuted(a, x):
    return dl.permute_dims(x, a.get("perm", range(x.ndim)[::-1]))


def triangle(a, x, k=0):
    return (dl.triu if a.get("upper", 1) else dl.tril)(x, k=int(k))


SHAPES = {
    "center_crop_pad": centered,
    "compress": compressed,
    "concat": lambda a, *arrays: dl.concat(arrays, a["axis"]),
    "expand": lambda _, x, shape: dl.broadcast_to(x, np.broadcast_shapes(x.shape, shape)),
    "eyelike": eye,
    "flatten": lambda a, x: dl.reshape(x, (np.prod(x.shape[: a.get("axis", 1)], dtype=int), -1)),
    "pad": padded,
    "rangeop": lambda _, *bounds: dl.arange(*[x.item() for x in bounds], dtype=bounds[0].dtype),
    "reshape": reshaped,
    "split": split,
    "squeeze": lambda _, x, axes: dl.squeeze(x, tuple(axes)),
    "tile": lambda _, x, counts: dl.tile(x, tuple(counts)),
    "transpose": permuted,
    "trilu": triangle,
    "unsqueeze": lambda _, x, axes: np.expand_dims(x, tuple(axes)),
}

ADAPTERS = {**ELEMENTWISE, **REDUCTIONS, **INDEXING, **SHAPES}


@pytest.mark.parametrize("operator", ADAPTERS)
@pytest.mark.filterwarnings("ignore")  # of the modules that make the tests of other operators
def test_all_of_an_operator(operator):
    check(operator, ADAPTERS[operator])


@pytest.mark.filterwarnings("ignore")
def test_an_operator_without_a_test_is_no_success():
    with pytest.raises(AssertionError, match="no test of stringnormalizer"):
        check("stringnormalizer", plain(dl.positive))
