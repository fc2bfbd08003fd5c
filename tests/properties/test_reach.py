"""What one element reaches that is infinite or NaN, in every function of windows and places.

It may break the results and derivatives that depend on it, and no others: zeros of padding, columns
that are dropped and weights of zero must not meet it. What depends on an element is found with two
large numbers instead.
"""

from functools import partial
from itertools import product

import numpy as np
import pytest

import dlgradient as dl

LARGE = (1e6, 2e6)


def named(function, *shapes, **options):
    """Return a case: its name, the function of arrays, and their shapes."""
    shown = ", ".join([*map(str, shapes), *[f"{k}={v}" for k, v in options.items()]])
    return pytest.param(partial(function, **options), shapes, id=f"{function.__name__}({shown})")


LINE, PLANE = "CSB", "CSSB"
IMAGES = {LINE: (2, 9, 1), PLANE: (2, 5, 6, 1)}
WINDOWS = [  # stride, dilation, padding
    (1, 1, 0),
    (1, 1, 1),
    (2, 1, "same"),
    (1, 2, "same"),
    (3, 1, 1),
    (2, 2, 2),
]


def convolutions():
    for (fmt, shape), (stride, dilation, padding) in product(IMAGES.items(), WINDOWS):
        options = {"data_format": fmt, "stride": stride, "dilation_factor": dilation}
        window = (3,) if fmt == LINE else (2, 3)
        for groups in ((), (2,)):
            weights = (*window, 2 // (*groups, 1)[0], 2, *groups)
            yield named(dl.dlconv, shape, weights, padding=padding, **options)
            # Unlabelled weights of the transposed one have filters, then channels.
            weights = (*window, 2, 2 // (*groups, 1)[0], *groups)
            crop = 0 if padding == "same" and dilation == 2 else padding
            yield named(dl.dltranspconv, shape, weights, cropping=crop, **options)
        yield named(dl.dlconv, shape, weights := (*window, 2, 1), padding=2, data_format=fmt)
        values = {"padding": 2, "padding_value": "replicate", "data_format": fmt}
        yield named(dl.dlconv, shape, weights, **values)


def pooling():
    for (fmt, shape), (stride, dilation, padding) in product(IMAGES.items(), WINDOWS):
        options = {"data_format": fmt, "pool_size": 3, "stride": stride}
        options |= {"dilation_factor": dilation, "padding": padding}
        yield named(dl.maxpool, shape, **options)
        yield named(dl.avgpool, shape, **options)
        yield named(dl.avgpool, shape, padding_value="mean", **options)
    for fmt, shape in IMAGES.items():
        for pool in (dl.maxpool, dl.avgpool):
            yield named(pool, shape, pool_size="global", data_format=fmt)
            yield named(pool, shape, pool_size=4, data_format=fmt)
        for pool, size in product((dl.adaptivemaxpool, dl.adaptiveavgpool), (2, 3, 4, 11)):
            yield named(pool, shape, output_size=size, data_format=fmt)


def unpooled(x, fmt, size):
    indices = np.arange(dl.extractdata(x).size).reshape(x.shape) * 7 % 20
    return dl.maxunpool(x, indices, size, data_format=fmt)


def resizing():
    for (fmt, shape), size in product(IMAGES.items(), (2, 4, 13)):
        options = {"output_size": size, "data_format": fmt}
        yield named(dl.dlresize, shape, **options)
        for method, antialias in product(("linear", "cubic"), (False, True)):
            for transform in ("half-pixel", "align-corners"):
                modes = {"antialias": antialias, "geometric_transform_mode": transform}
                yield named(dl.dlresize, shape, method=method, **modes, **options)


GRID = np.sin(np.arange(24.0) * 1.7 + 0.3).reshape(1, 3, 4, 2) * 1.4
BOXES = np.array([[0.3, 0.4, 2.7, 3.1], [-30.2, 1.3, 60.1, 2.9], [1.5, 0.5, 4.5, 3.5]])


def sampled(x, **options):
    grid = GRID if x.ndim == 4 else GRID[0, ..., :1]
    return dl.grid_sample(x, grid if x.ndim == 4 else grid.reshape(1, -1, 1), **options)


def aligned(x, **options):
    return dl.roialign(x, BOXES, (2, 2), data_format=PLANE, **options)


def places():
    for fmt, shape in IMAGES.items():
        methods, paddings = ("linear", "cubic", "nearest"), ("zeros", "border", "reflection")
        for method, padding in product(methods, paddings):
            yield named(sampled, shape, method=method, padding=padding, data_format=fmt)
    for method, ratio in product(("average", "max"), ("auto", 2)):
        yield named(aligned, IMAGES[PLANE], method=method, sampling_ratio=ratio)
    yield named(dl.space_to_depth, (2, 4, 6, 1), block_size=2, data_format=PLANE)
    yield named(dl.depth_to_space, (4, 2, 3, 1), block_size=2, data_format=PLANE)
    yield named(unpooled, (2, 3, 1), fmt=LINE, size=(20,))


def results(function, arrays, v=None):
    """Return the value, and the gradient of its product with `v` for each array."""

    def run(*arrays):
        y = function(*arrays)
        w = np.ones(y.shape) if v is None else v
        return [y, *dl.dlgradient((y * w).sum(), list(arrays))]

    with np.errstate(all="ignore"):
        return [np.asarray(a) for a in dl.dlfeval(run, *map(dl.dlarray, arrays))]


def replaced(array, place, value):
    changed = array.copy()
    changed[place] = value
    return changed


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize(
    ("function", "shapes"), [*convolutions(), *pooling(), *resizing(), *places()]
)
def test_an_element_reaches_only_what_depends_on_it(rng, function, shapes, value):
    arrays = [rng.uniform(0.5, 2, size=shape) for shape in shapes]
    v = rng.uniform(0.5, 2, size=results(function, arrays)[0].shape)
    for i in range(len(arrays) + 1):
        # The last is the cotangent.
        operands = [*arrays, v]
        corners = [(0,) * operands[i].ndim, tuple(n - 1 for n in operands[i].shape)]
        inner = tuple(int(rng.integers(n)) for n in operands[i].shape)
        for place in (*corners, inner):
            found = []
            for number in (value, *LARGE):
                operands[i] = replaced([*arrays, v][i], place, number)
                found.append(results(function, operands[:-1], operands[-1]))
            for broken, first, second in zip(*found, strict=True):
                reached = first != second
                assert not np.any(~np.isfinite(broken) & ~reached)
            # The maximum of a window may be larger than minus infinity.
            if i < len(arrays) and value != -np.inf:
                np.testing.assert_array_equal(~np.isfinite(found[0][0]), found[1][0] != found[2][0])
