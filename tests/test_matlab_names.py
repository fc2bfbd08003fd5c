"""The page for MATLAB's users has every name around networks, and what it says to write exists."""

import dataclasses
import inspect
import re
from pathlib import Path

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
