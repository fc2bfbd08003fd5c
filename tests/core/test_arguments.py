"""Every wrong argument of every public function is answered by name.

Each public function has a good call: a sample of its declaration, or one written here. Its
arguments are replaced, one after the other, by values that make no sense for most of them. The call
must raise an error of this package that names the function and an argument, or the value must be
one that the kind of the argument accepts, by the list in this module.
"""

import atexit
import inspect
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core.arguments import checked
from dlgradient.rules import DERIVED, OPS
from dlgradient.testing import sample_cases

X = np.array([1.0, 2.0, 3.0])
FILE = Path(tempfile.mkdtemp()) / "x.safetensors"
dl.save(FILE, {"x": X})


class Model:
    """A plain class with an array, as users write them."""

    def __init__(self) -> None:
        self.weights = dl.dlarray([1.0, 2.0])


NONSENSE: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "word": lambda: "nonsense",
    "no word": lambda: "",
    "-1": lambda: -1,
    "-100": lambda: -100,
    "0": lambda: 0,
    "huge": lambda: 10**30,
    "1.5": lambda: 1.5,
    "-0.5": lambda: -0.5,
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "True": lambda: True,
    "3j": lambda: 3j,
    "no list": list,
    "no tuple": tuple,
    "integers": lambda: [0, 1],
    "zeros": lambda: (0, 0),
    "numbers": lambda: (-1.5,),
    "words": lambda: ["a"],
    "Nones": lambda: [None],
    "no dict": dict,
    "dict": lambda: {"a": 1},
    "set": lambda: {1, 2},
    "object": object,
    "array of four dimensions": lambda: np.ones((7, 11, 1, 13)),
    "array of words": lambda: np.array(["a", "b"]),
    "array of objects": lambda: np.array([1, None]),
    "array of complex numbers": lambda: np.ones(3) * 1j,
    "array of half precision": lambda: np.ones(3, np.float16),
    "array of integers": lambda: np.array([1, 2, 3]),
    "array of NaN": lambda: np.array([np.nan] * 3),
    "masked array": lambda: np.ma.array([1.0, 2.0], mask=[True, False]),
    "ragged list": lambda: [[1.0], [1.0, 2.0]],
    "range": lambda: range(3),
    "function": lambda: lambda *_: None,
    "dlarray": lambda: dl.dlarray([1.0, 2.0]),
    "class": lambda: int,
    "class of arrays": lambda: dl.dlarray,
    "model": Model,
    "bytes": lambda: b"ab",
    "slice": lambda: slice(1, 2),
    "date": lambda: np.datetime64("2024-01-01"),
    "generator": lambda: np.random.default_rng(0),
}
NUMBERS = {"-1", "-100", "0", "huge", "1.5", "-0.5"}
POSITIVE = {"1.5", "huge"}
SEQUENCES = {"integers", "zeros", "range", "array of integers"}
EMPTY = {"no list", "no tuple"}
ARRAYS = {
    *NUMBERS, *SEQUENCES, *EMPTY, "nan", "inf", "True", "3j", "numbers", "dlarray", "array of NaN",
    "array of complex numbers", "array of four dimensions",
}  # fmt: skip
# Raw arrays go to NumPy as they are, where no operand is a dlarray.
RAW = {"array of words", "array of objects", "array of half precision", "masked array"}
NAMES = {"None", "class"}
# What the annotation of an argument accepts; None is added where it says so.
LEGITIMATE: dict[str, set[str]] = {
    "Operand": ARRAYS | RAW,
    "Sequence[Operand]": ARRAYS | {"ragged list", "no dict", "set"},
    "bool": {"True"},
    "int": {"-1", "-100", "0", "huge"},
    "Size": {"0", "huge"},
    "Count": {"huge"},
    "Iteration": {"huge"},
    "SequenceLength": {"huge"},
    "Counts": {"huge", *SEQUENCES},
    "Sizes": {"0", *SEQUENCES, *EMPTY},
    "ShapeLike": {"-1", "-100", *SEQUENCES},
    "Lengths": EMPTY,
    "Axis": {"-1", "0"},
    "AxisLike": {"None", "-1", "0", *SEQUENCES, *EMPTY},
    "Axes": {*SEQUENCES, *EMPTY},
    "Shape": {"0", *SEQUENCES, *EMPTY},
    "Places": {"-1", "-100", "0", "huge", *SEQUENCES, *EMPTY},
    "Pairs": {"0", "integers"},
    "float": NUMBERS,
    "complex": {*NUMBERS, "nan", "inf", "3j"},
    "Annotated[float, _SLOPE]": NUMBERS,
    "Positive": POSITIVE,
    "Positives": {*POSITIVE, "dlarray"},
    "NonNegative": {"0", *POSITIVE},
    "Decay": {"0"},
    "Probability": {"0"},
    "Number": {"0", *POSITIVE},
    "Rate": {"0"},
    "StepSize": {"inf", *POSITIVE},
    "Bound": NUMBERS,
    "End": {*NUMBERS, "nan", "inf", "3j"},
    "Padding": {"0"},
    "PadWidth": {"0", "huge", "no dict", *SEQUENCES},
    "_Optimize": {"True"},
    "Edges": set(),
    "PoolSize": {"huge"},
    "Generator": {"None", "0", "huge", "generator"},
    "DtypeLike": {*NAMES, "class of arrays"},
    "TargetDtype": {"class", "class of arrays"},
    "Format": {"None", "no word"},
    "Device": {"None"},
    "Key": {"integers", "-1", "0"},
    "Container": {"None", *EMPTY},
    "_C": {"no list"},
    "Callable[..., Any]": {"function", "class of arrays"},
    "Dlarray": {"dlarray"},
    "StateActivation": {"class of arrays"},
    "GateActivation": {"class of arrays"},
    "FilePath": {"word"},
    "str": {"word", "no word"},
    "Sequence[Any]": EMPTY,
    "Formats": {"Nones"},  # of an array that has none
}  # fmt: skip
# Arguments without a kind, and the annotation that says what they accept.
READ_AS = {
    ("dljvp", "tangents"): "Operand", ("dlhvp", "vectors"): "Operand",
    ("pad", "pad_width"): "PadWidth", ("pad", "constant_values"): "Operand | None",
    ("pad", "end_values"): "None", ("pad", "stat_length"): "None",  # of the mode "constant"
    ("interp1", "extrapolation"): "End | None",
}  # fmt: skip
UNIQUE = ("unique_all", "unique_counts", "unique_inverse", "unique_values")
# Functions that are called in a `dlfeval`.
TRACED = {
    "dlgradient", "dlvjp", "dljvp", "dljacobian", "dldivergence", "dlhessian", "dlhvp",
    "dlhessdiag", "dllaplacian",
}  # fmt: skip
# Functions that ask what a thing is, or call a function that the user gives.
ANYTHING = {
    ("lbfgsupdate", "parameters"), ("lbfgsupdate", "loss_fcn"), ("clip_by_value", "gradients"),
    ("clip_by_norm", "gradients"), ("clip_by_global_norm", "gradients"),
    ("isdlarray", "x"), ("extractdata", "x"), ("dlfeval", "args"), ("dlfeval", "fun"),
    ("dlaccelerate", "fun"), ("dlvmap", "args"), ("dlcheckpoint", "fun"),
    ("dltrace", "args"), ("dltrace", "kwargs"),
    ("dlupdate", "fun"), ("dlupdate", "parameters"), ("result_type", "arrays_and_dtypes"),
    ("can_cast", "from_"), ("dlode1", "theta"), ("dlode4", "theta"), ("dlode45", "theta"),
    ("onehotdecode", "class_names"), ("scores2label", "class_names"),
    ("testnet", "class_names"),
    ("onehotencode", "class_names"), ("finfo", "dtype"),
    ("onehotencode", "labels"), ("isdtype", "kind"), ("trainnet", "loss"), ("testnet", "metrics"),
    ("trainnet", "data"), ("trainnet", "targets"), ("minibatchpredict", "data"),
    ("testnet", "data"), ("testnet", "targets"), ("padsequences", "sequences"),
    ("gather", "x"), ("gpuarray", "x"), ("flatten", "container"), ("unflatten", "like"),
    ("check_layer", "layer"), ("check_layer", "inputs"),
    ("analyze_network", "net"), ("import_network_from_onnx", "model"),
    ("export_onnx_network", "net"), ("export_onnx_network", "path"), ("save", "value"),
    ("image_folder", "path"),
    ("import_weights_from_torch", "net"), ("import_weights_from_torch", "source"),
    ("import_weights_from_torch", "mapping"), ("export_weights_to_torch", "net"),
    ("export_weights_to_torch", "mapping"),
}  # fmt: skip


class Call(NamedTuple):
    """A call of a public function."""

    name: str
    function: Any
    args: tuple[Any, ...]
    given: dict[str, Any]


# -- good calls ----------------------------------------------------------------------------------


def inside(name: str) -> Any:
    """A function of `dlgradient` and its kind, called in a `dlfeval`."""
    function = getattr(dl, name)

    def call(*args: Any, **given: Any) -> Any:
        def run(x: Any) -> Any:
            known = {"scalar": (x**2).sum(), "array": x**2, "variable": x}
            return function(*[known.get(a, a) if type(a) is str else a for a in args], **given)

        return dl.dlfeval(run, dl.dlarray(X))

    call.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return call


@cache
def image_folder() -> Path:
    """Return a folder with an image."""
    from PIL import Image

    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    (folder / "class").mkdir()
    Image.new("L", (2, 2)).save(folder / "class" / "0.png")
    return folder


def written() -> dict[str, tuple[tuple[Any, ...], dict[str, Any]]]:
    """Return good calls of the functions that are not in the table of operations."""
    learnables = {"w": dl.dlarray([1.0, 2.0])}
    gradients = {"w": dl.dlarray([1.0, 0.5])}
    signal = dl.dlarray(np.arange(8.0).reshape(2, 4), "CT")
    spectrum = dl.dlstft(signal, window=np.ones(4))
    initialisers = ("glorot", "he", "narrow_normal", "ones", "orthogonal", "zeros")
    ode = {"odefun": lambda _t, y, *_: -y}
    network = dl.dlnetwork([dl.layers.FeatureInput(1), dl.layers.FullyConnected(1)])
    quick = dl.training_options("adam", max_epochs=1, verbose=False)
    return {
        "dims": ((dl.dlarray(X),), {}),
        "dlarray": ((X,), {}),
        "extractdata": ((dl.dlarray(X),), {}),
        "finddim": ((dl.dlarray(X, "C"), "C"), {}),
        "isdlarray": ((X,), {}),
        "stripdims": ((dl.dlarray(X),), {}),
        "define_operation": (("linear",), {}),
        "dlgradient": (("scalar", "variable"), {}),
        "dlvjp": (("array", X, "variable"), {}),
        "dljvp": (("array", "variable", X), {}),
        "dljacobian": (("array", "variable"), {}),
        "dldivergence": (("array", "variable"), {}),
        "dlhessian": (("scalar", "variable"), {}),
        "dlhvp": (("scalar", "variable", X), {}),
        "dlhessdiag": (("scalar", "variable"), {}),
        "dlvmap": ((dl.sin, X), {}),
        "dlcheckpoint": ((dl.sin,), {}),
        "dllaplacian": (("scalar", "variable"), {}),
        "initialize": (("he", (3, 2)), {}),
        **{f"initialize_{name}": (((3, 2),), {}) for name in initialisers},
        "initialize_unit_forget_gate": ((4,), {}),
        "onehotdecode": ((dl.dlarray([[0.75, 0.25]], "BC"), ["a", "b"]), {}),
        "onehotencode": (([0, 1],), {"class_names": [0, 1]}),
        "dlstft": ((signal,), {"window": np.ones(4)}),
        "dlistft": ((spectrum,), {"window": np.ones(4)}),
        "spectral_convolution": ((dl.dlarray(np.ones((1, 4)), "CS"), np.ones((1, 1, 2))), {}),
        "index_add": ((dl.dlarray(X), [0, 1], dl.dlarray([1.0, 2.0])), {}),
        **{name: ((dl.dlarray(X),), {}) for name in ("nonzero", *UNIQUE)},
        "isin": ((dl.dlarray(X), X), {}),
        "can_cast": ((np.float32, np.float64), {}),
        "finfo": ((np.float32,), {}),
        "iinfo": ((np.int32,), {}),
        "isdtype": ((np.dtype("float32"), "real floating"), {}),
        "result_type": ((np.float32, np.float64), {}),
        "asarray": ((X,), {}),
        "from_dlpack": ((X,), {}),
        "empty": (((2, 3),), {}),
        "empty_like": ((X,), {}),
        "eye": ((3,), {}),
        "full": (((2, 3), 1.0), {}),
        "ones": (((2,),), {}),
        "zeros": (((2,),), {}),
        "arange": ((3,), {}),
        "linspace": ((0.0, 1.0, 5), {}),
        "dlode1": ((ode["odefun"], [0, 1], dl.dlarray([1.0])), {"step_size": 0.5}),
        "dlode4": ((ode["odefun"], [0, 1], dl.dlarray([1.0])), {"step_size": 0.5}),
        "dlode45": ((ode["odefun"], [0, 1], dl.dlarray([1.0])), {}),
        "adamupdate": ((learnables, gradients, None, None, 1, 0.1), {}),
        "adamwupdate": ((learnables, gradients, None, None, 1, 0.1), {}),
        "nadamupdate": ((learnables, gradients, None, None, 1, 0.1), {}),
        "muonupdate": ((learnables, gradients, None, None, 1, 0.1), {}),
        "lionupdate": ((learnables, gradients), {}),
        "adagradupdate": ((learnables, gradients), {}),
        "adadeltaupdate": ((learnables, gradients), {}),
        "clip_by_value": ((gradients, 1.0), {}),
        "clip_by_norm": ((gradients, 1.0), {}),
        "clip_by_global_norm": ((gradients, 1.0), {}),
        "lbfgsupdate": ((learnables, lambda p: (1.0, p)), {}),
        "rmspropupdate": ((learnables, gradients), {}),
        "sgdmupdate": ((learnables, gradients), {}),
        "dlupdate": ((lambda p: p * 2, learnables), {}),
        "dlfeval": ((lambda x: x * 2, dl.dlarray(X)), {}),
        "dlaccelerate": ((lambda x: x * 2,), {}),
        "dltrace": ((lambda x: x * 2, dl.dlarray(X)), {}),
        "training_options": (("adam",), {}),
        "trainnet": ((X[:, None], X[:, None], network, "mse", quick), {}),
        "analyze_network": ((network,), {}),
        "export_onnx_network": ((network, Path(tempfile.mkdtemp(), "net.onnx")), {}),
        "check_layer": ((dl.layers.Relu(), dl.layers.Layout((2, 3), "CB")), {}),
        "acceleration": (("numpy",), {}),
        "can_use_gpu": ((), {}),
        "gather": ((X,), {}),
        "gpuarray": ((X,), {}),
        "flatten": ((learnables,), {}),
        "unflatten": (([1.0, 2.0], learnables), {}),
        "import_network_from_onnx": ((onnx_model(),), {}),
        "image_folder": ((image_folder(),), {}),
        "scores2label": ((dl.dlarray([[0.75, 0.25]], "BC"), ["a", "b"]), {}),
        "minibatchpredict": ((network, X[:, None]), {}),
        "testnet": ((network, X[:, None], X[:, None], "rmse"), {}),
        "padsequences": (([X, X[:2]], 0), {}),
        "save": ((FILE, learnables), {}),
        "load": ((FILE,), {}),
        "import_weights_from_torch": ((network, dl.export_weights_to_torch(network)), {}),
        "export_weights_to_torch": ((network,), {}),
        "fftfreq": ((4,), {}),
        "rfftfreq": ((4,), {}),
    }


def onnx_model() -> Any:
    """Return an ONNX model of one node."""
    helper = pytest.importorskip("onnx.helper")
    x, y = (helper.make_tensor_value_info(n, 1, (None, 3)) for n in "xy")
    return helper.make_model(
        helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "one", [x], [y])
    )


def good_calls() -> Iterator[Call]:
    """Yield a good call of every public function."""
    own = written()
    for space, names in ((dl, dl.__all__), (dl.fft, dl.fft.__all__)):
        for name in names:
            function = getattr(space, name)
            kind = isinstance(function, type) and name != "dlarray"
            if isinstance(function, ModuleType) or not callable(function) or kind:
                continue
            if name.startswith("__"):
                continue
            if name in own:
                traced = name in TRACED
                yield Call(name, inside(name) if traced else function, *own[name])
            else:
                declaration = OPS[name].declaration if name in OPS else DERIVED[name]
                sample = sample_cases(declaration)[0]
                yield Call(name, function, sample.args, sample.params)


# -- wrong calls ---------------------------------------------------------------------------------


def wrong_calls(good: Call) -> Iterator[tuple[str, str, str, Call]]:
    """Yield the argument, its annotation, the value that replaces it, and the call."""
    name, function, args, given = good
    parameters = list(inspect.signature(function).parameters.values())
    several = [p for p in parameters if p.kind is p.VAR_POSITIONAL]
    named = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    for i in range(len(args)):
        p = named[i] if i < len(named) else several[0]
        for label, make in NONSENSE.items():
            wrong = (*args[:i], make(), *args[i + 1 :])
            yield p.name, str(p.annotation), label, Call(name, function, wrong, given)
    for p in parameters:
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) or p in named[: len(args)]:
            continue
        between = [q.default for q in named[len(args) : named.index(p)]] if p in named else []
        for label, make in NONSENSE.items():
            if p.kind is p.POSITIONAL_ONLY:
                call = Call(name, function, (*args, *between, make()), given)
            else:
                call = Call(name, function, args, {**given, p.name: make()})
            yield p.name, str(p.annotation), label, call


def members(annotation: str) -> list[str]:
    """Return the members of a union, as it is written."""
    return [part.strip() for part in re.split(r"\|(?![^\[]*\])", annotation)]


def is_legitimate(name: str, argument: str, annotation: str, label: str) -> bool:
    if (name, argument) in ANYTHING:
        return True
    parts = members(READ_AS.get((name, argument), annotation))
    if label == "None" and "None" in parts:
        return True
    return any(label in LEGITIMATE.get(part, ()) for part in parts)


def outcome(call: Call) -> Exception | None:
    try:
        with np.errstate(all="ignore"):
            call.function(*call.args, **call.given)
    except MemoryError:
        return None  # a large array that is not there
    except Exception as error:  # noqa: BLE001 - what it is, is the question
        return error
    return None


def fault(call: Call, argument: str, annotation: str, label: str) -> str:
    """Return what is wrong with the answer to a call, or ''."""
    error = outcome(call)
    where = f"{call.name}({argument}={label}: {annotation})"
    if error is None:
        return "" if is_legitimate(call.name, argument, annotation, label) else f"{where}: accepted"
    if (call.name, argument) in ANYTHING or isinstance(error, FileNotFoundError):
        return ""
    if not isinstance(error, dl.DlgradientError):
        return f"{where}: {type(error).__name__}: {error}"
    parameters = inspect.signature(call.function).parameters
    names = "|".join([*parameters, *[name.removesuffix("s") for name in parameters]])
    text = str(error.args[0])
    if not re.match(rf"{call.name}[^:]*:", text) and "astype" not in text:
        return f"{where}: another name: {text}"
    if not re.search(rf"\b({names}|axis)\b", text.removeprefix(call.name)):
        return f"{where}: no argument: {text}"
    return ""


GOOD = {call.name if call.function is not dl.fft.fft else "fft": call for call in good_calls()}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", GOOD)
def test_every_wrong_argument_is_answered_by_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a word is the name of a file
    walk = wrong_calls(GOOD[name])
    faults = [fault(call, argument, kind, label) for argument, kind, label, call in walk]
    assert not any(faults), "\n".join(["", *filter(None, faults)])


@pytest.mark.parametrize("name", sorted(set(GOOD) - {"dlfeval", "define_operation"}))
def test_calls_that_do_not_fit_the_signature(name: str) -> None:
    _, function, args, given = GOOD[name]
    several = {"broadcast_arrays", "meshgrid", "result_type", "dlupdate", "dlgradient", "dlvjp"}
    wrong: list[Any] = [lambda: function(*args, **given, NotThere=1)]
    if name not in several:
        wrong += [function] if args else []
        wrong += [lambda: function(*args, *[1] * 12, **given)]
    for call in wrong:
        # Python's own error, of the shortest functions, names the function too.
        with pytest.raises((dl.DlgradientError, TypeError), match=rf"^{name}\b"):
            call()


def keywords(call: Call) -> list[str]:
    """Return the options of a function."""
    parameters = inspect.signature(call.function).parameters.values()
    either = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    return [*either[len(call.args) :], *[p.name for p in parameters if p.kind is p.KEYWORD_ONLY]]


@pytest.mark.parametrize(
    ("name", "keyword"),
    [(name, keyword) for name, call in GOOD.items() for keyword in keywords(call)],
)
def test_options_as_matlab_spells_them(name: str, keyword: str) -> None:
    _, function, args, given = GOOD[name]
    spelled = "".join(word.capitalize() for word in keyword.split("_"))
    others = {key: value for key, value in given.items() if key != keyword}
    with pytest.raises(dl.UnknownKeywordError, match=f"{name}: .*{spelled}'; write {keyword}="):
        function(*args, **others, **{spelled: 1})


def test_an_exception_of_a_users_function_is_left_as_it_is() -> None:
    def odefun(_t: Any, _y: Any) -> Any:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        dl.dlode45(odefun, [0, 1], 1.0)
    with pytest.raises(ZeroDivisionError):
        dl.dlupdate(lambda p: p / (1 / 0), {"w": dl.dlarray([1.0])})
    with pytest.raises(TypeError, match="takes 0 positional"):
        dl.dlfeval(lambda: None, dl.dlarray(1.0))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: dl.sum(x, "all"), "sum: axis must be .* not 'all'; for all dimensions omit it"),
        (lambda x: dl.max(x, 0.0), "max: axis must be an integer.*not 0.0"),
        (lambda x: dl.sum(x, keepdims=1), "sum: keepdims must be True or False, not 1; write True"),
        (lambda x: dl.softmax(x, Axis=0), "softmax: unknown keyword 'Axis'; write axis="),
        (lambda x: dl.maxpool(x, 2, Padding="same"), "maxpool: unknown keyword 'Padding'; write"),
        (lambda x: dl.dlarray(x, DataFormat="C"), "dlarray: unknown keyword 'DataFormat'; write f"),
        (lambda x: dl.gelu(x, approximation="tan"), "gelu: approximation .*did you mean 'tanh'"),
        (lambda x: dl.leakyrelu(x, scale=x), "leakyrelu: scale .*second operand of prelu"),
    ],
)
def test_slips_of_users(call: Any, text: str) -> None:
    with pytest.raises(dl.DlgradientError, match=text):
        call(dl.dlarray(X))


def test_a_list_of_traced_values_is_an_array() -> None:
    def loss(x: Any) -> Any:
        fits = dl.l1loss([x, x], np.ones((2, 2)), data_format="CB")
        with pytest.raises(dl.ShapeMismatchError, match=r"l1loss: .*\(3, 2\)"):
            dl.l1loss([x, x], np.ones((3, 2)), data_format="CB")
        return dl.dlgradient(fits, x)

    assert dl.dlfeval(loss, dl.dlarray([1.5, 2.0])).tolist() == [1.0, 1.0]


def test_words_of_options_may_have_capital_letters() -> None:
    x = dl.dlarray(X, "S")
    same = dl.maxpool(x, 2, padding="Same", data_format="s")
    assert same.tolist() == dl.maxpool(x, 2, padding="same").tolist()
    assert dl.sum(dl.dlarray(X), axis=[0]).item() == 6.0


def test_a_good_call_is_not_changed() -> None:
    @checked
    def taken(x: Any, *, scale: float = 1.0, **more: Any) -> Any:
        return x, scale, more

    assert taken(3, scale=np.float32(0.5), other=[1]) == (3, 0.5, {"other": [1]})
