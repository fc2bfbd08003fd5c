"""Names of other libraries are answered with what to write, from one table that is executed."""

import importlib
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy

import dlgradient as dl
from dlgradient.interop.counterparts import ATTRIBUTES, NOTES, answers
from dlgradient.interop.expressions import Expression, expressions
from dlgradient.interop.scipy_names import MODULES, expressions_of, note_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "supported" / "other-names.md"
TOOL = ROOT / "tools" / "names_page.py"

NAMES = [*expressions(), *(name for names in NOTES.values() for name in names.split())]
TEXTS = sorted({case.text for cases in expressions().values() for case in cases})


def scope(rng: np.random.Generator) -> dict[str, Any]:
    """Return the names of the expressions."""
    public = {name: getattr(dl, name) for name in dl.__all__}
    images = {"X": (4, 4, 2, 3), "X4": (4, 4, 4, 3)}
    sequences = {"Y": (4, 2, 5), "targets": (4, 2, 5)}
    return public | {
        "np": np,
        "scipy": scipy,
        "x": dl.dlarray([1.0, 2.0, 3.0]),
        "y": dl.dlarray([4.0, 5.0, 6.0]),
        "A": dl.dlarray(np.arange(9.0).reshape(3, 3) + 1),
        "B": dl.dlarray(np.eye(3)[::-1].copy()),
        "S": dl.dlarray(np.diag([2.0, 3.0, 5.0]) + 0.25),
        "i": np.array([0, 2, 1]),
        "c": np.array([True, False, True]),
        "n": 3,
        "f": lambda x: np.sum(x**2),
        "signal": dl.dlarray(rng.random((1, 16)), "CT"),
        "labels": rng.integers(0, 4, (1, 2, 5)),
        "weights": dl.dlarray(rng.random((3, 3, 2, 5))),
        "weights_t": dl.dlarray(rng.random((3, 3, 5, 2))),
        "bias": dl.dlarray(np.zeros(5)),
        **{f"A_{k}": dl.dlarray(rng.random((4, 4))) for k in "qkvo"},
        **{f"b_{k}": dl.dlarray(rng.random(4)) for k in "qkvo"},
        "offset": dl.dlarray(np.zeros(2)),
        "scale": dl.dlarray(np.ones(2)),
        **{name: dl.dlarray(rng.random(shape), "SSCB") for name, shape in images.items()},
        **{name: dl.dlarray(rng.random(shape), "CBT") for name, shape in sequences.items()},
    }


def value(expression: str, rng: np.random.Generator, changed: dict[str, Any]) -> Any:
    """Return the value of an expression, with traced arrays."""
    names = scope(rng) | changed
    traced = [name for name in "xyABS" if np.ndim(names[name])]

    def run(*arrays: Any) -> Any:
        return eval(expression, names | dict(zip(traced, arrays, strict=True)))

    with np.errstate(all="ignore"):  # of arcsin(2), for instance
        return dl.dlfeval(run, *[dl.dlarray(names[name]) for name in traced])


@pytest.mark.parametrize("expression", TEXTS)
def test_every_expression_is_executed_on_traced_values(
    expression: str, rng: np.random.Generator
) -> None:
    assert value(expression, rng, {}) is not None


# Calls of NumPy's and SciPy's functions that have the value of one of the expressions for the name.
# After | are other arguments than those of `scope`: another shape, sign, dtype, or special values.
CALLS = """
np: absolute fabs arctan arcsinh sinc radians deg2rad degrees rad2deg fix rint (x)
np: absolute fabs arctan arcsinh sinc radians deg2rad degrees rad2deg fix rint (x) | x = -A / 4
np: diag ediff1d flatnonzero conjugate (x)
np: conjugate isreal iscomplex absolute iscomplexobj isrealobj (x) | x = x - 1j * (y - 5)
np: isreal iscomplex isposinf isneginf iscomplexobj isrealobj (x)
np: diag (x) | x = A
np: trace ravel transpose rot90 fliplr flipud amax amin ptp (A)
np: isposinf isneginf (x) | x = np.array([np.inf, np.nan, -np.inf])
np: unwrap gradient (x) | x = np.array([0.0, 3.0, 7.0, 5.0])
np: bmat ([[A, B], [B, A]]).A
np: vectorize (f)(x)
np: frompyfunc (f, 1, 1)(x).astype(float)
np.linalg: matrix_power (A, n)
np: arctan2 true_divide power float_power mod dot inner vdot fmax fmin array_equal (x, y)
np: arctan2 true_divide mod (x, y) | x = -x
np: fmax fmin (x, y) | x = np.array([1.0, np.nan, 3.0])
np: dot inner (x, y) | x = x + 1j * y
np: vdot (x, y) | x = x + 1j * y
np: heaviside (x, y) | x = x - 2
np: allclose isclose convolve heaviside append (x, y)
np: convolve (x, y) | y = y[:2]
np: convolve (x, y) | y = np.arange(5.0)
np: dot (x, y) | x = A, y = B
np: inner vdot append (A, B)
np: hstack dstack vstack column_stack concatenate ([x, y])
np: vstack column_stack ([A, B])
np: around vander split array_split (x, n)
np: vander (x, n, increasing=True)
np: split array_split (x, [1, 2])
np: correlate (x, y)
np: correlate (x, y) | x = x + 1j * y
np: correlate (x, y, mode="full")
np: choose (c, [x, y])
np: select ([c], [x], y)
np: compress (c, x)
np: insert (x, 1, y)
np: delete (x, 1)
np: block ([[A, B], [B, A]])
np: logspace geomspace (x[0], x[1], n)
np: logspace geomspace (x[0], x[1], n) | n = 7
np: invert (i)
np: left_shift right_shift (i, 1)
np: ldexp (x, n)
np: ldexp (x, n) | n = -2
np.linalg: vector_norm (x)
np.linalg: vector_norm (x) | x = x - 1j * y
np.linalg: norm (x)
np.linalg: norm (x) | x = A
np.linalg: matrix_norm (A)
np.linalg: inv det slogdet cholesky eigvalsh cond (S)
np.linalg: solve (S, x)
scipy.linalg: expm logm sqrtm (S)
np.fft: rfft2 irfft2 (A)
np.fft: irfft2 (A, s=(3, 3))
scipy.special: logsumexp (x)
scipy.special: logsumexp (A, axis=1)
scipy.special: kl_div xlogy xlog1py rel_entr powm1 (x, y)
scipy.special: kl_div xlogy xlog1py rel_entr (x, y) | x = np.zeros(3)
np: logaddexp2 (x, y)
np: logaddexp2 (x, y) | x = x + 2000
scipy.special: boxcox boxcox1p inv_boxcox (x, n)
scipy.special: boxcox boxcox1p inv_boxcox (x, 0)
scipy.special: entr logit expit log_expit exprel exp10 cosm1 sindg cosdg tandg (x) | x = x / 4
scipy.stats: zscore (x)
scipy.signal: fftconvolve (x, y)
scipy.linalg: block_diag (A, B)
scipy.spatial.distance: pdist (A)
scipy.spatial.distance: cdist (A, B)
"""
ROWS = [
    (f"{space}.{name}", given, others, False)
    for space, names, given, others in re.findall(r"(\S+): ([^(]+) (\(.+?\S)(?: \| (.+))?\n", CALLS)
    for name in names.split()
]
# The same for modules of SciPy with expressions of their own.
CALLS_OF_SCIPY = """
signal: convolve fftconvolve oaconvolve correlate (x, y)
signal: convolve fftconvolve correlate (x, y) | y = np.arange(5.0)
signal: hilbert (x)
signal: hilbert (x) | x = np.array([1.0, 5.0, -2.0, 0.5])
signal: freqz (x, worN=5)[1]
signal: freqz (x, worN=5)[1] | x = np.arange(4.0)
signal: periodogram (x)[1]
signal: periodogram (x)[1] | x = np.array([1.0, 5.0, -2.0, 0.5])
ndimage: sum mean maximum minimum variance standard_deviation (x)
ndimage: sum mean maximum minimum variance standard_deviation (x) | x = A
ndimage: center_of_mass (x)[0]
ndimage: median (x) | x = np.array([5.0, 1.0, 4.0, 2.0])
integrate: simpson romb cumulative_simpson (x)
integrate: trapezoid (y)
integrate: simpson cumulative_simpson (x) | x = np.array([1.0, 5.0, -2.0, 0.5])
integrate: trapezoid cumulative_trapezoid (y, x)
integrate: quad (lambda s: np.exp(x[0] * s), -1, 1)[0]
integrate: fixed_quad (lambda s: np.exp(x[0] * s), -1, 1, n=20)[0]
integrate: solve_ivp (lambda t, v: -v, [0, 1], x).y[:, -1]
integrate: odeint (lambda v, t: -v, x, [0, 1])[-1]
interpolate: CubicSpline (np.arange(len(x)), x)([0.5, 1.5])
interpolate: make_interp_spline (np.arange(len(x)), x, k=2)([0.5, 1.5])
stats: zscore gmean hmean sem variation skew kurtosis entropy (x)
stats: pearsonr linregress (x, y)[0] | y = np.array([1.0, 5.0, -2.0])
stats: norm expon laplace cauchy logistic .logpdf(x)
stats: norm laplace cauchy logistic .logpdf(x) | x = -x
stats: lognorm gamma t .logpdf(x, n)
"""
SOLVERS = {"solve_ivp", "odeint"}  # whose steps are others
ROWS_OF_SCIPY = [
    (f"scipy.{module}.{name}", given, others, True)
    for module, names, given, others in re.findall(
        r"(\w+): ([\w ]+) ([(.].+?\S)(?: \| (.+))?\n", CALLS_OF_SCIPY
    )
    for name in names.split()
]


def cases_of(function: str, own: bool) -> tuple[Expression, ...]:
    """Return the expressions for a function, from those of its module of SciPy or from all."""
    space, _, name = function.rpartition(".")
    importlib.import_module(space.replace("np", "numpy"))
    return (expressions_of(space) if own else expressions())[name]


def like(found: Any, expected: Any, rtol: float = 1e-12) -> bool:
    """Whether values and shapes are those of another result."""
    found, expected = (v if isinstance(v, list | tuple) else [v] for v in (found, expected))
    if len(found) != len(expected):
        return False
    pairs = [
        (np.asarray(dl.extractdata(a)), np.asarray(b)) for a, b in zip(found, expected, strict=True)
    ]
    return all(
        a.shape == b.shape and np.allclose(a, b, *((1e-6, 0) if b.itemsize < 8 else (rtol, 1e-14)))
        for a, b in pairs
    )


def arrays(rng: np.random.Generator) -> dict[str, Any]:
    """Return the names of the expressions, of NumPy's arrays."""
    return {k: dl.extractdata(v) if dl.isdlarray(v) else v for k, v in scope(rng).items()}


def parts(result: Any) -> list[Any]:
    return list(result) if isinstance(result, list | tuple) else [result]


def weighted(results: list[Any]) -> Any:
    """Return a sum of all elements of arrays, with another weight for each."""
    weights = (np.cos(np.arange(np.size(v))).reshape(np.shape(v)) for v in results)
    return sum(dl.sum(dl.real(v) * w) for v, w in zip(results, weights, strict=True))


def differences(call: Callable[[Any], Any], x: Any) -> Any:
    """Return the gradient of a function of NumPy's arrays by central differences."""
    steps = 1e-6 * np.eye(x.size).reshape(x.size, *x.shape)
    pairs = [(parts(call(x + h)), parts(call(x - h))) for h in steps]
    slopes = [weighted([(a - b) / 2e-6 for a, b in zip(*pair, strict=True)]) for pair in pairs]
    return np.asarray(slopes, float).reshape(x.shape)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
@pytest.mark.parametrize(("function", "given", "others", "own"), ROWS + ROWS_OF_SCIPY)
def test_an_expression_has_the_value_and_the_gradient_of_the_other_function(
    function: str, given: str, others: str, own: bool, rng: np.random.Generator
) -> None:
    rtol = 1e-3 if function.rpartition(".")[2] in SOLVERS else 1e-12
    cases, names = cases_of(function, own), arrays(rng)
    changed = eval(f"dict({others})", names)
    names |= changed

    def call(**new: Any) -> Any:
        with np.errstate(all="ignore"):
            return eval(f"{function}{given}", names | new)

    found = {case.text: value(case.text, rng, changed) for case in cases}
    same = [text for text, v in found.items() if like(v, call(), rtol)]
    assert same, (found, call())
    if np.result_type(*map(np.asarray, np.atleast_1d(found[same[0]]))).kind not in "fc":
        return
    for key in set(re.findall(r"(?<![.\w])[xyAB]\b", given)):
        if names[key].dtype == np.float64:
            expected = differences(lambda x, key=key: call(**{key: x}), names[key])
            smooth = np.abs(expected) < 1e4  # no jump, and no infinite slope
            gradient = gradient_of(same[0], key, changed, rng)
            np.testing.assert_allclose(gradient[smooth], expected[smooth], 1e-5 + rtol, 1e-6)


def gradient_of(text: str, key: str, changed: dict[str, Any], rng: np.random.Generator) -> Any:
    names = scope(rng) | changed

    def run(x: Any) -> Any:
        y = weighted(parts(eval(text, names | {key: x})))
        return dl.dlgradient(y, x, allow_complex=False) if dl.isdlarray(y) else 0 * x

    with np.errstate(all="ignore"):
        return dl.extractdata(dl.dlfeval(run, dl.dlarray(names[key])))


# Vectors are not all that a reader passes. An expression that is not said to be for some arguments
# has the value of the other function for those of any shape that both take.
SHAPES = [(2, 3), (3, 3), (2, 3, 3)]
DEFAULT = [(function, given, own) for function, given, others, own in ROWS if not others]
DEFAULT += [(function, given, own) for function, given, others, own in ROWS_OF_SCIPY if not others]
LIBRARIES = re.compile("NumPy|SciPy|PyTorch|JAX|MATLAB|,| ")


def attempt(function: Callable[..., Any], *args: Any) -> Any:
    """Return a result, or None where the arguments are refused."""
    try:
        return function(*args)
    except Exception:  # noqa: BLE001 - each library has errors of its own
        return None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("function", "given", "own"), DEFAULT)
def test_an_expression_is_right_for_other_shapes_or_names_its_arguments(
    function: str, given: str, own: bool, rng: np.random.Generator
) -> None:
    cases, names = cases_of(function, own), arrays(rng)
    for shape in SHAPES:
        changed = {k: rng.random(shape) + 0.5 for k in "xyAB"}
        with np.errstate(all="ignore"):
            expected = attempt(eval, f"{function}{given}", names | changed)
            found = {case: attempt(value, case.text, rng, changed) for case in cases}
        right = {
            case: like(result, expected)
            for case, result in found.items()
            if result is not None and expected is not None
        }
        conditions = [LIBRARIES.sub("", case.when) for case in right]
        assert any(right.values()) or all(conditions), (shape, right)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_each_expression_of_scipy_is_compared_and_each_name_exists(module: str) -> None:
    importlib.import_module(module)
    compared = {function for function, *_ in ROWS_OF_SCIPY}
    assert {f"{module}.{name}" for name in expressions_of(module)} <= compared
    for name in expressions_of(module):
        assert callable(eval(f"{module}.{name}", {"scipy": scipy}))
    assert note_of(module, "")


# Functions of a vector of 8 elements whose notes say that they are linear, and some that are not.
LINEAR = """
fft: dct dctn dst dstn idct idctn idst idstn (x)
fft: hfft2 hfftn ihfft2 ihfftn (np.outer(x, np.arange(4.0)))
fft: fht (x, 0.1, 1.0)
signal: detrend hilbert2 (np.outer(x, np.arange(4.0)))
signal: cspline1d qspline1d czt (x)
signal: lfilter filtfilt ([1.0, 2.0], [1.0, 0.5], x, axis=0)
signal: decimate (x, 2, 1)
signal: resample (x, 5)
signal: resample_poly (x, 2, 3)
signal: savgol_filter (x, 5, 2)
signal: upfirdn ([1.0, 2.0], x)
signal: zoom_fft (x, 0.5)
interpolate: interp1d InterpolatedUnivariateSpline BarycentricInterpolator (np.arange(8.0), x)(1.3)
interpolate: KroghInterpolator FloaterHormannInterpolator (np.arange(8.0), x)(1.3)
interpolate: RBFInterpolator (np.arange(8.0)[:, None], x)([[1.3]])
interpolate: RegularGridInterpolator ((np.arange(8.0),), x)([1.3])
interpolate: make_lsq_spline (np.arange(8.0), x, [0, 0, 0, 0, 7, 7, 7, 7])(1.3)
ndimage: gaussian_filter gaussian_filter1d gaussian_laplace shift zoom (x, 1.5)
ndimage: laplace prewitt sobel spline_filter spline_filter1d uniform_filter sum_labels (x)
ndimage: convolve convolve1d correlate correlate1d (x, [1.0, 2.0, 3.0])
ndimage: uniform_filter1d fourier_gaussian fourier_shift fourier_uniform (x, 3)
ndimage: map_coordinates affine_transform (x, [[1.3]])
"""
OTHERS = """
signal: medfilt wiener welch envelope (x)
interpolate: Akima1DInterpolator PchipInterpolator UnivariateSpline (np.arange(8.0), x)(1.3)
ndimage: maximum_filter minimum_filter grey_erosion grey_opening white_tophat median_filter (x, 3)
ndimage: gaussian_gradient_magnitude (x, 1.5)
"""


@pytest.mark.parametrize(
    ("module", "name", "given", "linear"),
    [
        (f"scipy.{module}", name, given, text is LINEAR)
        for text in (LINEAR, OTHERS)
        for module, names, given in re.findall(r"(\w+): ([\w ]+) (\(.+)\n", text)
        for name in names.split()
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore:.*spline.*")
def test_what_is_said_to_be_linear_is(
    module: str, name: str, given: str, linear: bool, rng: np.random.Generator
) -> None:
    importlib.import_module(module)

    def call(x: Any) -> Any:
        results = parts(eval(f"{module}.{name}{given}", {"scipy": scipy, "np": np, "x": x}))
        return results[-1]

    x, y = rng.normal(size=(2, 8))
    assert np.allclose(call(2 * x - 3 * y), 2 * call(x) - 3 * call(y)) == linear
    assert note_of(module, name).startswith("is linear") == linear


LEAVES = (dl.LeavingTraceError, dl.UnsupportedFunctionError)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of asmatrix
@pytest.mark.parametrize("name", next(v for k, v in NOTES.items() if "leave it out" in k).split())
def test_what_is_to_be_left_out_changes_no_value_and_refuses_a_traced_dlarray(name: str) -> None:
    function = getattr(np, name)
    np.testing.assert_array_equal(np.ravel(function(np.arange(3.0))), np.arange(3.0))
    with pytest.raises(LEAVES):
        dl.dlfeval(function, dl.dlarray([1.0, 2.0]))


SINGLE = [
    "concatenate",
    "vstack",
    "scatter_add",
    "norm",
    "convolve",
]


@pytest.mark.parametrize("name", SINGLE)
def test_an_expression_keeps_single_precision(name: str, rng: np.random.Generator) -> None:
    for case in expressions()[name]:
        names = {k: dl.astype(v, np.float32) for k, v in scope(rng).items() if k in "xyAB"}
        result = dl.dlfeval(lambda g, text=case.text: eval(text, {**scope(rng), **g}), names)
        assert result.dtype == np.float32, case


def test_a_name_has_one_answer_and_no_function() -> None:
    assert len(NAMES) == len(set(NAMES)) == len(answers())
    assert not set(NAMES) & {*dl.__all__, *dir(dl)}


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_name_is_answered(name: str) -> None:
    with pytest.raises(AttributeError, match=re.escape(f"{name!r}; {answers()[name]}")) as found:
        getattr(dl, name)
    assert found.value.name == name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cat", r"write dl\.concat\(\[x, y\], axis=0\)"),
        ("circshift", r"write dl\.roll\(x, n\)"),
        ("diag", r"write np\.diag\(x\)"),
        ("inv", r"write dl\.linalg\.inv\(S\)"),
        ("schur", r"page \"Linear systems\" .*\n.*/linear-systems.html"),
        ("isrow", "does not exist, since a vector has one dimension"),
        ("numel", r"write x\.size"),
        ("rem", r"write dl\.fmod\(x, y\)"),
        ("unsqueeze", r"write dl\.expand_dims\(x, axis=0\)"),
        ("atleast_2d", r"write numpy\.atleast_2d, which is traced"),  # of NumPy's own names
        ("packbits", r"is for integers, which carry no derivative"),
        ("softmx", "did you mean 'softmax'"),
        ("permuteDims", "write permute_dims"),
        ("DLArray", "write dlarray"),
    ],
)
def test_names_are_answered_by_what_they_mean(name: str, text: str) -> None:
    with pytest.raises(AttributeError, match=f"'{name}'; .*{text}"):
        getattr(dl, name)


def spellings(layer: str) -> set[str]:
    """Return the names of a layer in MATLAB, and those that readers make of them."""
    camel = layer[0].lower() + layer[1:]
    snake = re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", camel).lower()
    short = camel.replace("onvolution", "onv") if "Transposed" in layer else camel
    return {f"{camel}Layer", f"{layer}Layer", f"{short}Layer", f"{snake}_layer"}


@pytest.mark.parametrize("layer", sorted({*dl.layers.__all__} - {"Layer"}))
def test_a_layer_is_found_in_every_spelling(layer: str) -> None:
    for name in spellings(layer):
        with pytest.raises(AttributeError, match=rf"'{name}'; write layers\.{layer}\b"):
            getattr(dl, name)
        with pytest.raises(AttributeError, match=rf"'{name}'; write layers\.{layer}\n"):
            getattr(dl.layers, name)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("Linear", "FullyConnected"),
        ("Dense", "FullyConnected"),
        ("Conv2d", "Convolution2d"),
        ("ConvTranspose3d", "TransposedConvolution3d"),
        ("MaxPool2d", "MaxPooling2d"),
        ("AvgPool1d", "AveragePooling1d"),
        ("AdaptiveAvgPool2d", "AdaptiveAveragePooling2d"),
        ("BatchNorm1d", "BatchNormalization"),
        ("LayerNorm", "LayerNormalization"),
        ("RMSNorm", "RmsNormalization"),
        ("ReLU", "Relu"),
        ("SiLU", "Swish"),
        ("LSTM", "Lstm"),
        ("Dropout2d", "SpatialDropout"),
        ("Embedding", "Embedding"),
    ],
)
def test_modules_of_pytorch_are_answered_by_layers(name: str, layer: str) -> None:
    for space in (dl, dl.nn):
        with pytest.raises(
            AttributeError, match=rf"'{name}'; write .*layers\.{layer} in a network"
        ):
            getattr(space, name)
    if name not in dl.layers.__all__:
        with pytest.raises(AttributeError, match=rf"write layers\.{layer}\n"):
            getattr(dl.layers, name)


def test_a_name_without_meaning_in_nn() -> None:
    for name in ("functional", "Qwxyz"):
        with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
            getattr(dl.nn, name)


@pytest.mark.parametrize("name", ["qwxyz", "e1", "__nothing__", "inverse_of"])
def test_nothing_is_said_of_a_name_that_means_nothing(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"no attribute '{name}'\nSee https"):
        getattr(dl, name)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attributes_of_arrays_elsewhere(name: str) -> None:
    x = dl.dlarray([1.0])
    with pytest.raises(AttributeError, match=rf"dlarray has no attribute '{name}'; \w+ \w+"):
        getattr(x, name)
    with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
        getattr(dl.dlarray, name)
    assert not hasattr(x, name)


def test_dir_lists_what_exists() -> None:
    x = dl.dlarray([[1.0]])
    for names, owner in ((dir(x), x), (dir(dl.dlarray), dl.dlarray), (dir(dl), dl)):
        assert not [name for name in names if not hasattr(owner, name)]
    assert {"sum", "reshape", "_repr_html_", "__add__"} <= set(dir(x))
    assert set(dir(x)) == set(dir(dl.dlarray)) - {"mro", "__abstractmethods__"}


def test_the_page_of_names_is_written_from_the_table() -> None:
    written = runpy.run_path(str(TOOL))["page"]()
    assert PAGE.read_text(encoding="utf-8") == written, "run python tools/names_page.py"
