"""The page for MATLAB's users has every name around networks, and what it says to write exists."""

import dataclasses
import inspect
import itertools
import re
from pathlib import Path

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers
from dlgradient.interop.counterparts import answers
from dlgradient.interop.toolbox_names import TOOLBOX
from dlgradient.train.options import TrainingOptions, has_meaning

PAGE = (Path(__file__).parent.parent / "docs" / "coming-from" / "matlab.md").read_text("utf-8")
SPANS = re.findall(r"(?<!`)`([^`\n]+)`", PAGE)
MADE = r"(?:layers|dl\.metrics|dl\.schedules)\.[A-Z]\w*\(.*\)|dl\.networks\.\w+\(.*\)"
CONSTRUCTORS = sorted({span for span in SPANS if re.fullmatch(MADE, span)})
# In MATLAB these are other names, or there are none.
OWN_OPTIONS = {"generator", "tensorboard"}


def described(name):
    """Return whether a code span of the page has a name, as a word."""
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", span) for span in SPANS)


def sources():
    """Yield the MATLAB names that layers, networks, metrics and schedules give as their source."""
    for module in (layers, dl.metrics, dl.networks, dl.schedules):
        for name in module.__all__:
            text = (inspect.getdoc(getattr(module, name)) or "").partition("Source: MATLAB ")[2]
            yield from re.findall(r"``([\w.]+)``", text.partition(";")[0])


def test_layers_networks_metrics_and_schedules_have_a_row():
    assert [name for name in sources() if not described(name)] == []


def test_options_of_training_have_a_row():
    names = [f.name for f in dataclasses.fields(TrainingOptions) if f.init]
    named = [name for name in names if name not in OWN_OPTIONS]
    camel = [
        re.sub(r"(?:^|_)(\w)", lambda m: m[1].upper(), name) for name in named if name != "solver"
    ]
    assert [name for name in camel if not described(name)] == []


# Names of classes that MATLAB has in no form, or that layers and other modules ask for.
OWN_NAMES = {
    "columns",
    "data",
    "emptied",
    "forgets",
    "examples",
    "explain",
    "fun",
    "holding",
    "num_batches",
    "num_observations",
    "order",
    "padding_masks",
    "share",
    "source",
    "spans",
    "takes_example",
    "trainable",
    "with_all_options",
    "with_learnables",
    "with_options",
    "with_trainable",
}


@pytest.mark.parametrize(
    "kind",
    [
        dl.dlnetwork,
        dl.minibatchqueue,
        dl.training_progress_monitor,
        dl.AcceleratedFunction,
        dl.TrainingInfo,
        dl.lbfgs_state,
    ],
)
def test_attributes_methods_and_options_of_classes_have_a_row(kind):
    names = {*[n for n in dir(kind) if n[0] != "_"], *inspect.signature(kind).parameters}
    lacking = [n for n in names if not any(map(described, in_matlab(n) | {n}))]
    assert sorted(set(lacking) - {*OWN_NAMES}) == []


@pytest.mark.parametrize("code", CONSTRUCTORS)
def test_what_the_page_says_to_write_exists(code):
    net = dl.dlnetwork([layers.FullyConnected(2), layers.Tanh()])
    scope = {"dl": dl, "layers": layers, "net": net, "scale": 2.0}
    assert eval(code, scope) is not None


# Attributes of MATLAB's classes with other words, and words of the answer.
OTHER_WORDS = {
    dl.dlnetwork: {
        "getLearnRateFactor": "write learn_rate_factors()",
        "getL2Factor": "write l2_factors()",
    },
    dl.ParameterTable: {"Value": "write values()", "Layer": "write keys()"},
    dl.minibatchqueue: {
        "hasData": "write hasdata",
        "MiniBatchSize": "write mini_batch_size",
        "NumOutputs": "write len(next())",
        "DispatchInBackground": "write preprocessing_environment=",
    },
    dl.training_progress_monitor: {
        "Metrics": "metrics= is an option of training_progress_monitor",
        "XLabel": "x_label= is an option of training_progress_monitor",
    },
    dl.NetworkAnalysis: {"Issues": "write faults", "LayerInfo": "write to_pandas()"},
    layers.Convolution2d: {
        "NumInputs": "write len(input_names)",
        "FilterSize": "write filter_size",
    },
}
# Of NumPy; dlarray has a table of its own; a user's class, whose methods have MATLAB's names.
NO_NAMES = (np.generic, dl.dlarray, dl.DifferentiableFunction, BaseException)


def examples():
    """Return one object of each public class that has attributes, by the name of the class."""
    net = dl.dlnetwork([layers.FeatureInput(2), layers.FullyConnected(1)], generator=0)
    options = dl.training_options("adam", max_epochs=1, verbose=False)
    _, info = dl.trainnet(np.ones((4, 2)), np.ones((4, 1)), net, "mse", options)
    analysis = dl.analyze_network(net)
    found = [
        net,
        net.learnables,
        options,
        info,
        analysis,
        analysis.layers[0],
        dl.lbfgs_state(),
        dl.minibatchqueue(np.ones((4, 2))),
        dl.training_progress_monitor(metrics="loss", visible=False),
        dl.dlaccelerate(np.sum),
        layers.Layout((2, 3), "CB"),
        layers.Shared("fc"),
        layers.RmsNormalization(),
        *[eval(code, {"dl": dl, "layers": layers, "net": net}) for code in CONSTRUCTORS],
    ]
    return {type(value): value for value in found}


def in_matlab(name):
    """Return a name of several words as methods and as properties are written in MATLAB."""
    first, *rest = [word for word in name.split("_") if word]
    camel = first + "".join(word.capitalize() for word in rest)
    return {camel, camel[0].upper() + camel[1:]} - {name}


def test_every_public_class_is_among_the_examples():
    modules = (dl, layers, dl.metrics, dl.schedules)
    public = [getattr(m, name) for m in modules for name in m.__all__]
    classes = [c for c in public if inspect.isclass(c) and not issubclass(c, NO_NAMES)]
    have = examples()
    lacking = [c for c in classes if not any(issubclass(kind, c) for kind in have)]
    assert lacking == []


def test_every_public_class_answers_the_names_of_matlab():
    wrong = []
    for kind, value in examples().items():
        names = [n for n in dir(value) if not n.startswith("_")]
        for name, asked in itertools.chain.from_iterable(
            [(name, asked) for asked in in_matlab(name)] for name in names
        ):
            if hasattr(kind, asked):
                continue
            try:
                getattr(value, asked)
            except AttributeError as error:
                said = str(error)
                right = f"; write {kind._elsewhere.get(asked, name)}\n" in said
                if right and said.endswith("coming-from/matlab.html"):
                    continue
            wrong.append(f"{kind.__name__}.{asked}")
    assert wrong == []


def asked_of(kind, value):
    """Yield the names of a class as MATLAB has them, and what the class has instead."""
    for name in [n for n in dir(value) if not n.startswith("_")]:
        for asked in in_matlab(name):
            if not hasattr(kind, asked):
                yield asked, kind._elsewhere.get(asked, name)
    for asked in kind._elsewhere:
        yield asked, kind._elsewhere[asked]


def test_no_name_of_matlab_is_set_without_a_word():
    wrong = []
    for kind, value in examples().items():
        for asked, name in asked_of(kind, value):
            try:
                setattr(value, asked, getattr(value, name, None))
            except AttributeError as error:
                if f"{kind.__name__} has no attribute {asked!r}; write {name}\n" in str(error):
                    continue
            wrong.append(f"{kind.__name__}.{asked}")
    assert wrong == []


def test_what_cannot_be_set_is_refused():
    """Neither a name that does not exist, nor a method, nor what is only read."""
    wrong = []
    for kind, value in examples().items():
        for name in ["zebra", *[n for n in dir(value) if not n.startswith("_")]]:
            there = inspect.getattr_static(value, name, None)
            fixed = name == "zebra" or callable(there) or getattr(there, "fset", 0) is None
            if fixed and not in_options(kind, name):
                words = "has no attribute 'zebra'" if name == "zebra" else f".{name} "
                with pytest.raises(AttributeError, match=kind.__name__) as found:
                    setattr(value, name, 1)
                if words not in str(found.value):
                    wrong.append(f"{kind.__name__}.{name}")
    assert wrong == []


def in_options(kind, name):
    """Return whether a record has an option, whose value may be a function."""
    return dataclasses.is_dataclass(kind) and name in {f.name for f in dataclasses.fields(kind)}


def made_with(value, name, new):
    """Return what the constructor makes of an option, or how it refuses it."""
    try:
        return "accepted", repr(getattr(dataclasses.replace(value, **{name: new}), name))
    except dl.DlgradientError as error:
        return "refused", str(error)


def set_to(value, name, new):
    """Return what becomes of an option that is set, or how it is refused."""
    try:
        setattr(value, name, new)
    except dl.DlgradientError as error:
        return "refused", str(error)
    return "accepted", repr(getattr(value, name))


def test_a_value_that_is_set_is_that_of_a_constructor():
    """It is refused as by the constructor, or taken in its form."""
    checked = 0
    for kind, value in examples().items():
        if not dataclasses.is_dataclass(kind) or kind.__dataclass_params__.frozen:
            continue
        given = {f.name: getattr(value, f.name) for f in dataclasses.fields(kind) if f.init}
        for name, old in given.items():
            if name in kind._instead or (kind is TrainingOptions and not has_meaning(name, "adam")):
                continue
            for new in (-3, "zebra", 2.5, [[1, 2]], old):
                copy = dataclasses.replace(value)
                made, found = made_with(value, name, new), set_to(copy, name, new)
                assert found == made
                checked += found[0] == "refused"
                if found[0] == "refused":
                    assert repr(getattr(copy, name)) == repr(old)
    assert checked > 1000


@pytest.mark.parametrize(
    ("make", "name", "wrong", "text"),
    [
        (lambda: dl.training_options("adam"), "max_epochs", -3, "max_epochs must be an integer"),
        (lambda: dl.training_options("adam"), "momentum", 0.5, "momentum is an option of 'sgdm'"),
        (lambda: dl.minibatchqueue([1.0]), "mini_batch_size", 0, "mini_batch_size must be"),
        (
            lambda: dl.minibatchqueue([1.0]),
            "partial_mini_batch",
            "no",
            "one of 'return', 'discard'",
        ),
        (lambda: dl.dlaccelerate(np.sum), "enabled", 1, "enabled must be True or False"),
        (
            lambda: dl.training_progress_monitor(visible=False),
            "stop",
            "no",
            "must be True or False",
        ),
        (
            lambda: dl.training_progress_monitor(visible=False),
            "visible",
            1,
            "must be True or False",
        ),
        (lambda: dl.training_progress_monitor(visible=False), "status", 1, "must be a string"),
        (lambda: dl.training_progress_monitor(visible=False), "progress", "x", "from 0 to 100"),
        (lambda: dl.metrics.FScore(), "average", "mean", "one of 'macro', 'micro', 'weighted'"),
        (lambda: layers.Convolution2d(3, 4), "stride", -1, "stride must be an integer of at least"),
        (lambda: layers.Crop2d(), "location", (1, 2, 3), "location must be 'center' or 2"),
    ],
)
def test_a_wrong_value_is_refused_when_it_is_set(make, name, wrong, text):
    value = make()
    before = getattr(value, name)
    with pytest.raises(dl.DlgradientError, match=text):
        setattr(value, name, wrong)
    assert getattr(value, name) == before


def test_a_class_of_a_user_sets_what_it_likes():
    class Own(layers.Layer):
        factor: float = 2.0

        def initialize(self, x):
            self.Sizes = x.size

        def predict(self, x):
            self.calls = 1
            return x

    class OwnConvolution(layers.Convolution2d):
        def initialize(self, *layouts):
            self.Layouts = layouts
            super().initialize(*layouts)

    class OwnSchedule(dl.schedules.Schedule):
        def __init__(self, rate):
            self.Rate = rate

        def factor(self, time):
            return self.Rate**time

    class OwnMetric(dl.metrics.Metric):
        def __init__(self):
            self.Gathered = []

    class Remembers:
        def __setattr__(self, name, value):
            self.__dict__.setdefault("names", []).append(name)
            super().__setattr__(name, value)

    class Both(Remembers, layers.Layer):
        def predict(self, x):
            return x

    net = dl.dlnetwork([layers.ImageInput((4, 4, 1)), OwnConvolution(3, 1), Own()])
    assert net.layers["own"].Sizes == (2, 2, 1, 1)
    assert OwnSchedule(0.5).factor(2) == 0.25
    own, both = Own(), Both()
    for value in (own, both, OwnConvolution(3, 1), OwnSchedule(1), OwnMetric()):
        value.Anything = 3
        assert value.Anything == 3
    own.factor = "any"
    assert both.names[-1] == "Anything"


def test_layers_of_a_network_are_set_on_a_layer_that_is_put_back():
    net = dl.dlnetwork([layers.FeatureInput(2), layers.FullyConnected(2, name="fc")], generator=0)
    for name, value in (("weights", np.ones((2, 2))), ("name", "other"), ("output_size", 3)):
        with pytest.raises(AttributeError, match=rf"{name} of 'fc' cannot be set.*replace_layer"):
            setattr(net.layers["fc"], name, value)
    layer = net.get_layer("fc")
    layer.weights = np.ones((2, 2))
    new = net.replace_layer("fc", layer).initialize()
    np.testing.assert_array_equal(new.learnables["fc/weights"], np.ones((2, 2)))
    again = dl.dlnetwork(list(new.layers.values()))
    assert again == new
    again.get_layer("fc").weights = np.zeros((2, 2))
    with pytest.raises(KeyError, match="no 'fc/Weights' in this table; write 'fc/weights'"):
        _ = net.learnables["fc", "Weights"]


def test_setting_costs_a_user_and_a_step_of_training_little():
    """A class of a user has Python's own slot, and a table is made without a call for each."""

    class Own(layers.Layer):
        pass

    assert Own.__setattr__ is object.__setattr__
    table = dl.ParameterTable({"fc/bias": np.zeros(2)})
    assert type(dl.ParameterTable.of(table.columns)) is dl.ParameterTable


# Words of MATLAB in the tables of the page that are no functions, and functions of the same name.
NO_FUNCTIONS = {"accfun", "k", "labels", "layout", "mbq", "monitor", "myLoss", "net", "options"}
NO_FUNCTIONS |= {"end", "properties", "scores", "state", "t", "timeit", "x"}


def functions_of_page():
    """Yield the names of functions and classes in the first column of the tables of networks."""
    tables = PAGE.partition("## Networks and training")[2].partition("## What differs")[0]
    for row in re.findall(r"^\| ([^|]+) \|", tables, re.MULTILINE):
        for span in re.findall(r"`([^`]+)`", row):
            text = re.sub(r'"[^"]*"', "", span)
            yield from re.findall(r"(?<![.\w@])[a-z]\w+(?=\(|$)", text)
            yield from re.findall(r"(?<![.\w])[a-z]\w*(?:Layer|Metric|LearnRate)\b", text)


@pytest.mark.parametrize("name", sorted({*functions_of_page()} - {*NO_FUNCTIONS}))
def test_a_function_of_the_page_is_here_or_answered(name):
    if name in dl.__all__:
        return
    with pytest.raises(AttributeError) as found:
        getattr(dl, name)
    assert re.search(rf"'{name}'; (write|it|did you mean)\b", str(found.value))
    assert "did you mean" not in str(found.value)


@pytest.mark.parametrize(
    ("space", "name"),
    [(m, n) for m in ("layers", "metrics", "schedules") for n in getattr(dl, m).__all__],
)
def test_classes_are_answered_by_matlabs_names(space, name):
    """On the package and on the namespace, as MATLAB's page or the name itself spells it."""
    module = getattr(dl, space)
    text = (inspect.getdoc(getattr(module, name)) or "").partition("Source: MATLAB ")[2]
    for asked in re.findall(r"``(\w+)``", text.partition(";")[0]):
        for where in (dl, module):
            with pytest.raises(AttributeError, match=rf"'{asked}'; write {space}\.{name}\b"):
                getattr(where, asked)


@pytest.mark.parametrize(
    ("where", "name", "text"),
    [
        (dl.layers, "classificationLayer", "trainnet(x, targets, net, 'crossentropy', options)"),
        (dl.layers, "regressionLayer", "trainnet(x, targets, net, 'mse', options)"),
        (dl.layers, "nnet", "nnet.layer.Layer is layers.Layer"),
        (dl, "deep", "deep.DifferentiableFunction is DifferentiableFunction"),
        (dl, "importNetworkFromPyTorch", "import_weights_from_torch(net, path)"),
        (dl, "importNetworkFromKeras", 'model.export(path, format="onnx")'),
        (dl, "importNetworkFromTensorFlow", "tf2onnx"),
        (dl, "getLearnRateFactor", 'net.learn_rate_factors()["fc/weights"]'),
        (dl, "setLearnRateFactor", 'net.set_learn_rate_factor("fc/weights", 0)'),
        (dl, "analyzeNetwork", "write analyze_network"),
        (dl, "isequaln", "np.array_equal(x, y, equal_nan=True)"),
        (dl, "splitEachLabel", "train_test_split"),
        (dl.layers, "convLayers", "dir(layers) lists them"),
        (dl.layers, "Sigmod", "did you mean 'Sigmoid'?"),
        (dl.metrics, "F1", "dir(metrics) lists them"),
        (dl.schedules, "StepLR", "write schedules.Piecewise"),
        (dl.schedules, "Cosin", "did you mean 'Cosine'?"),
    ],
)
def test_what_is_answered_fits_the_name(where, name, text):
    with pytest.raises(AttributeError) as found:
        getattr(where, name)
    assert f"has no attribute {name!r}; " in str(found.value)
    assert text in str(found.value)


def test_each_method_is_answered_where_matlab_has_a_function():
    """The answer is a call of that method, of a network, a queue or a monitor."""
    wrong = []
    for kind in (dl.dlnetwork, dl.minibatchqueue, dl.training_progress_monitor):
        for name in set(vars(kind)) | {n for b in kind.__bases__ for n in vars(b)}:
            camel = in_matlab(name).pop() if in_matlab(name) and "_" in name else name
            camel = camel[0].lower() + camel[1:]
            noted = camel in TOOLBOX_NAMES and not name.startswith("_")
            if noted and f".{name}(" not in answers()[camel]:
                wrong.append(camel)
    assert wrong == []


TOOLBOX_NAMES = " ".join(TOOLBOX.values()).split()


# -- keywords ------------------------------------------------------------------------------------


def callables():
    """Yield all public functions and classes, and the documented methods, with their names."""
    for module in (dl, layers, dl.metrics, dl.schedules, dl.networks, dl.fft):
        for name in module.__all__:
            value = getattr(module, name)
            of_python = inspect.isclass(value) and issubclass(value, (BaseException, np.generic))
            if callable(value) and not of_python and value is not layers.Layer:
                yield f"{module.__name__}.{name}", value
    for kind, value in examples().items():
        for name in dir(kind):
            method = getattr(value, name) if inspect.isfunction(getattr(kind, name)) else None
            if name[0] != "_" and "\nParameters\n---" in (inspect.getdoc(method) or ""):
                yield f"{kind.__name__}.{name}", method


def optional(function):
    """Return how many arguments a function needs, and the names of those that it need not have."""
    kinds = inspect.Parameter
    try:
        found = list(inspect.signature(function).parameters.values())
    except ValueError:  # of a class in C
        return 0, []
    by_position = (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)
    needed = [p for p in found if p.kind in by_position and p.default is kinds.empty]
    if any(p.kind == kinds.VAR_KEYWORD for p in found):
        return 0, []
    named = (kinds.KEYWORD_ONLY, kinds.POSITIONAL_OR_KEYWORD)
    return len(needed), [p.name for p in found if p.kind in named and p not in needed]


def test_every_keyword_is_answered_by_the_one_of_matlabs_spelling():
    """Whatever the other arguments are, which are no arrays that fit here."""
    wrong, count = [], 0
    for label, function in callables():
        needed, names = optional(function)
        for name in names:
            count += 1
            asked = "".join(word.capitalize() for word in name.split("_"))
            try:
                function(*["a"] * needed, **{asked: 1})
            except dl.UnknownKeywordError as error:
                if f"write {name}=" in str(error):
                    continue
            wrong.append(f"{label}({asked}=)")
    assert wrong == []
    assert count > 1000


def test_names_with_other_words_are_answered():
    have = examples()
    for kind, names in OTHER_WORDS.items():
        for name, words in names.items():
            with pytest.raises(AttributeError, match=re.escape(words)):
                getattr(have[kind], name)


def test_an_error_in_a_property_of_a_layer_is_its_own():
    class Broken(layers.Layer):
        @property
        def twice(self):
            return self.missing

        def predict(self, x):
            return x

    with pytest.raises(AttributeError, match="Broken has no attribute 'missing'"):
        Broken().twice  # noqa: B018 - reading it is the test
