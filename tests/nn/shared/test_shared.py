"""The tools that deep-learning functions share, against loops and NumPy's own indexing."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core.calls import unlabelled
from dlgradient.errors import ComplexValueError, FormatClashError, FormatError
from dlgradient.nn.shared.arguments import rearranged, restored, with_axis
from dlgradient.nn.shared.blocks import chunks, for_each, items_within
from dlgradient.nn.shared.geometry import Geometry


@pytest.mark.parametrize(
    ("have", "want", "expected"),
    [("TC", "BCT", (1, 3, 2)), ("CT", "TC", (3, 2)), ("", "TBC", (1, 1, 1)), ("SCS", "CSS", None)],
)
def test_an_array_is_rearranged_and_restored(have, want, expected):
    shape = (2, 3, 4)[: len(have)]
    x = dl.dlarray(np.arange(np.prod(shape, dtype=int), dtype=float).reshape(shape), have)
    y = rearranged(x, have, want)
    assert y.shape == (expected or (3, 2, 4))
    assert dl.dims(y) == ""
    np.testing.assert_array_equal(np.asarray(restored(y, want, have)), np.asarray(x))
    assert isinstance(rearranged(np.asarray(x), have, want), np.ndarray)


def test_an_array_is_not_rearranged_to_a_format_that_lacks_its_labels():
    with pytest.raises(FormatClashError, match="'CB' has labels that 'CT'"):
        rearranged(dl.dlarray([[1.0]]), "CB", "CT")


def test_what_a_function_works_along():
    x = dl.dlarray(np.zeros((2, 3)), "BC")
    y, axis, strip = with_axis("f", x, None, None)
    assert (y is x, axis, strip) == (True, 1, False)
    y, axis, strip = with_axis("f", np.zeros((2, 3)), None, "CB")
    assert (dl.dims(y), axis, strip) == ("CB", 0, True)
    assert with_axis("f", x, -1, None)[1] == -1
    with pytest.raises(FormatError, match=r"f: x .*'BT', without the dimension 'C'.*axis="):
        with_axis("f", dl.dlarray(np.zeros((2, 3)), "BT"), None, None)


def test_an_unlabelled_array_is_still_traced():
    def f(x):
        return dl.dlgradient(dl.sum(unlabelled(x) * np.array([[1.0, 2.0]])), x)

    g = dl.dlfeval(f, dl.dlarray([[1.0, 2.0]], "CB"))
    np.testing.assert_array_equal(np.asarray(g), [[1, 2]])


def test_a_complex_python_number_is_refused_like_an_array():
    with pytest.raises(ComplexValueError, match=r"relu: x must be real, and is a complex number"):
        dl.relu(1j)


def test_chunks_cover_a_part_once():
    assert list(chunks(slice(3, 3), 2)) == []
    numbers = [i for chunk in chunks(slice(1, 12), 4) for i in range(chunk.start, chunk.stop)]
    assert numbers == list(range(1, 12))
    assert [items_within(100, each) for each in (0, 30, 100, 1000)] == [100, 3, 1, 1]


@pytest.mark.parametrize("split", [False, True])
def test_every_item_is_worked_on_once(split):
    done = []
    for_each(done.append, list(range(7)), split=split)
    assert sorted(done) == list(range(7))


@pytest.mark.parametrize(
    "geometry",
    [
        Geometry((5,), (2,), (2,), (2,), (1,), (0,)),
        Geometry((5,), (3,), (7,), (1,), (2,), (4,)),
        Geometry((3, 4), (3, 2), (3, 2), (1, 2), (1, 2), (1, 0)),
        Geometry((2,), (4,), (3,), (3,), (2,), (9,)),
        Geometry((0,), (2,), (1,), (1,), (1,), (1,)),
    ],
)
def test_the_places_of_a_window_are_those_of_its_formula(geometry):
    found = set()
    for index, to, of in geometry.places():
        elements = [np.arange(n)[s] for n, s in zip(geometry.sizes, to, strict=True)]
        results = [np.arange(n)[s] for n, s in zip(geometry.results, of, strict=True)]
        lines = [zip(o, e, strict=True) for o, e in zip(results, elements, strict=True)]
        grid = np.stack(np.meshgrid(*[range(len(e)) for e in elements]), -1).reshape(-1, len(to))
        pairs = [list(line) for line in lines]
        for row in grid:
            found.add((index, *[pairs[axis][i] for axis, i in enumerate(row)]))
    expected = set()
    for o in np.ndindex(*geometry.results):
        for k in np.ndindex(*geometry.window):
            i = [
                s * a + d * b - c
                for s, a, d, b, c in zip(
                    geometry.stride, o, geometry.dilation, k, geometry.start, strict=True
                )
            ]
            if all(0 <= j < n for j, n in zip(i, geometry.sizes, strict=True)):
                expected.add((k, *zip(o, i, strict=True)))
    assert found == expected


def test_a_geometry_is_a_key():
    line = ((5,), (3,), (2,), (2,), (2,), (0,))
    assert hash(Geometry(*line)) == hash(Geometry(*line))
    assert Geometry(*line).reach == (5,)
