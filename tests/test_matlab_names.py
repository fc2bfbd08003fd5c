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
from dlgradient.train.options import TrainingOptions

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
