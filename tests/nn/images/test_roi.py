"""Regions of images against plain loops, any order of dimensions, derivatives of the boxes."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose
from rounding import assert_close

import dlgradient as dl
from dlgradient.nn.images.roi import roialign
from dlgradient.testing import check_derivatives

# The last three reach outside, are very small, and are turned inside out.
BOXES = np.array(
    [
        [0.41, 0.73, 3.94, 5.27],
        [1.13, 2.36, 4.61, 3.19],
        [-2.74, 1.22, 3.35, 9.11],
        [2.23, 2.14, 2.38, 2.47],
        [3.26, 4.17, 1.33, 2.48],
    ]
)
BATCH = np.array([0, 1, 1, 0, 1])


@pytest.fixture
def x(rng):
    return rng.normal(size=(2, 3, 6, 5))


def interpolated(image, y, x):
    """The products of the four neighbours and their weights."""
    height, width = image.shape
    if y < -1 or y > height or x < -1 or x > width:
        return [0.0] * 4
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    i, j = min(int(y), height - 2), min(int(x), width - 2)
    v, u = y - i, x - j
    return [
        (1 - v) * (1 - u) * image[i, j],
        (1 - v) * u * image[i, j + 1],
        v * (1 - u) * image[i + 1, j],
        v * u * image[i + 1, j + 1],
    ]


def points_of_bins(image, box, size, ratio, transform):
    """Yield the place of each bin, and the products of its points."""
    offset = 0.5 if transform == "half-pixel" else 0.0
    x1, y1, x2, y2 = box
    height, width = y2 - y1, x2 - x1
    if transform == "output-half-pixel":
        height, width = max(height, 1), max(width, 1)
    down, across = size
    tall, wide = height / down, width / across
    counts = (ratio, ratio) if ratio != "auto" else (int(np.ceil(tall)), int(np.ceil(wide)))
    for p, q in np.ndindex(size):
        products = [
            interpolated(
                image,
                y1 - offset + (p + (a + 0.5) / counts[0]) * tall,
                x1 - offset + (q + (b + 0.5) / counts[1]) * wide,
            )
            for a in range(counts[0])
            for b in range(counts[1])
        ]
        yield (p, q), np.array(products)


def by_loops(image, box, size, ratio, transform, method):
    y = np.zeros(size)
    for place, products in points_of_bins(image, box, size, ratio, transform):
        if products.size:
            y[place] = products.sum() / len(products) if method == "average" else products.max()
    return y


@pytest.mark.parametrize("method", ["average", "max"])
@pytest.mark.parametrize("transform", ["half-pixel", "output-half-pixel"])
@pytest.mark.parametrize("ratio", ["auto", 1, 3])
def test_by_loops(x, ratio, transform, method):
    y = roialign(
        dl.dlarray(x, "BCSS"),
        BOXES,
        (2, 3),
        batch_indices=BATCH,
        sampling_ratio=ratio,
        geometric_transform_mode=transform,
        method=method,
    )
    assert dl.dims(y) == "BCSS"
    assert y.shape == (5, 3, 2, 3)
    scale = 6 * np.abs(x).max()  # the places are as large as the image
    for k, c in np.ndindex(5, 3):
        want = by_loops(x[BATCH[k], c], BOXES[k], (2, 3), ratio, transform, method)
        assert_close(np.asarray(y)[k, c], want, 36, scale)


# Larger than the image, so that most points of a bin are outside; beside it; and a usual one.
LARGE = np.array(
    [
        [-90.3, 0.7, 105.9, 4.1],
        [1.2, -80.6, 3.9, 900.2],
        [-2.4, -3.1, 300.7, 250.3],
        [50.5, 1.1, 400.3, 3.2],
        *BOXES[:1],
    ]
)


@pytest.mark.parametrize("method", ["average", "max"])
@pytest.mark.parametrize("transform", ["half-pixel", "output-half-pixel"])
def test_boxes_larger_than_the_image(x, transform, method):
    options = {"geometric_transform_mode": transform, "method": method}
    for k, box in enumerate(LARGE):
        image = x[BATCH[k], 0]
        y = roialign(image[None], box[None], (2, 3), data_format="BSS", **options)
        want = by_loops(image, box, (2, 3), "auto", transform, method)
        # The places are as large as the box.
        assert_close(np.asarray(y)[0], want, 36, np.abs(box).max() * np.abs(x).max())
    together = roialign(x, LARGE, (2, 3), batch_indices=BATCH, data_format="BCSS", **options)
    assert_close(np.asarray(together)[4, 0], want, 36, 6 * np.abs(x).max())


def test_the_memory_of_a_large_box_depends_on_the_image(x):
    boxes = dl.dlarray([[-4e5, -3e5, 5e5, 6e5]])

    def run(boxes):
        return dl.dlgradient(roialign(x[:1, 0], boxes, 2, data_format="BSS").sum(), boxes)

    tracemalloc.start()
    slope = dl.dlfeval(run, boxes)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.isfinite(np.asarray(slope)).all()
    assert peak < 4e6


def test_an_infinite_element_reaches_only_the_boxes_it_lies_in(x):
    x[0, 0, 0, 0] = np.inf
    boxes = [[2.1, 2.2, 4.3, 5.4], [0.5, 0.5, 2.5, 2.5]]
    for method in ("average", "max"):
        y = np.asarray(roialign(x[:1], boxes, 2, data_format="BCSS", method=method))
        broken = np.zeros(y.shape, bool)
        broken[1, 0, 0, 0] = True
        np.testing.assert_array_equal(~np.isfinite(y), broken)


@pytest.mark.parametrize("fmt", ["SSCB", "CSBS", "BSSC"])
def test_any_order_of_dimensions(x, fmt):
    base = np.asarray(roialign(dl.dlarray(x, "BCSS"), BOXES, (3, 2), batch_indices=BATCH))
    numbered = [(c, "BCSS"[:i].count(c)) for i, c in enumerate("BCSS")]
    order = [numbered.index((c, fmt[:i].count(c))) for i, c in enumerate(fmt)]
    y = roialign(
        np.transpose(x, order), BOXES, (3, 2), batch_indices=dl.dlarray(BATCH), data_format=fmt
    )
    assert dl.dims(y) == ""
    assert_close(y, np.transpose(base, order), 36)


def test_scale_and_points_of_each_dimension(x):
    x = dl.dlarray(x[:1], "BCSS")
    plain = roialign(x, BOXES, 2, sampling_ratio=(2, 3))
    scaled = roialign(x, BOXES * 8, 2, sampling_ratio=(2, 3), roi_scale=1 / 8)
    assert_close(scaled, plain, 24)
    assert np.abs(np.asarray(plain) - roialign(x, BOXES, 2, sampling_ratio=(3, 2))).max() > 1e-3


def test_bins_of_one_element_are_the_elements(x):
    y = roialign(dl.dlarray(x, "BCSS"), [[1, 2, 4, 4]], (2, 3), batch_indices=[1])
    assert_close(np.asarray(y)[0], x[1, :, 2:4, 1:4], 4)


def least_lead(x, boxes, size, ratio):
    """How far the greatest product of a bin is ahead of the second, at least."""
    leads = []
    for k, box in enumerate(boxes):
        for _, products in points_of_bins(x[BATCH[k], 0], box, size, ratio, "half-pixel"):
            low, high = np.partition(products.ravel(), -2)[-2:]
            leads.append(high - low)
    return min(leads)


@pytest.mark.parametrize("method", ["average", "max"])
@pytest.mark.parametrize("ratio", ["auto", 2])
def test_derivatives_of_second_order(rng, ratio, method):
    x = rng.normal(size=(2, 1, 6, 5))
    # Two greatest products that are nearly equal are a kink; differences cannot be taken there.
    while least_lead(x, BOXES[:4], (2, 1), ratio) < 0.02:
        x = rng.normal(size=(2, 1, 6, 5))

    def run(x, boxes):
        return roialign(
            x,
            boxes,
            (2, 1),
            batch_indices=BATCH[:4],
            sampling_ratio=ratio,
            method=method,
            data_format="BCSS",
        )

    check_derivatives(run, x, BOXES[:4])


def test_a_box_that_moves_over_a_slope():
    """On an image that is linear, the mean is the value at the centre of a bin."""
    rows, columns = np.mgrid[:6, :5]
    image = dl.dlarray((3.0 * rows + 2.0 * columns)[None], "BSS")

    def run(boxes):
        y = roialign(image, boxes, 1)
        return y, dl.dlgradient(y.sum(), boxes)

    y, slope = dl.dlfeval(run, dl.dlarray([[1.2, 1.4, 3.0, 4.0]]))
    assert_allclose(y.item(), 3 * (2.7 - 0.5) + 2 * (2.1 - 0.5))
    assert_allclose(np.asarray(slope), [[1, 1.5, 1, 1.5]])


def test_single_precision_and_boxes_of_integers(x):
    x = dl.dlarray(np.float32(x), "BCSS")
    whole = roialign(x, np.array([[0, 1, 3, 4]]), 2, batch_indices=[0])
    assert whole.dtype == np.float32

    def run(x, boxes):
        y = roialign(x, boxes, 2, batch_indices=BATCH)
        return (y, *dl.dlgradient(y.sum(), [x, boxes]))

    found = dl.dlfeval(run, x, dl.dlarray(np.float32(BOXES)))
    assert [a.dtype for a in found] == [np.float32] * 3


def test_no_regions(x):
    for method in ("average", "max"):
        y = roialign(dl.dlarray(x, "BCSS"), np.zeros((0, 4)), 2, batch_indices=[], method=method)
        assert y.shape == (0, 3, 2, 2)
