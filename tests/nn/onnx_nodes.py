"""The node tests of the ONNX standard, made by the modules its own backend tests come from.

The expected values are computed there by NumPy code that belongs to the standard, which makes them
an oracle that shares nothing with the functions under test.
"""

import importlib
import inspect

import numpy as np
import pytest


def made(name):
    """Make every test of one operator.

    Parameters
    ----------
    name : str
        A module of ``onnx.backend.test.case.node``: the operator in lower case, mostly.

    Returns
    -------
    list of tuple
        The name of each test, its attributes as a dict, and its inputs and outputs as lists of
        arrays, without the optional ones that the test leaves out.
    """
    onnx = pytest.importorskip("onnx")
    module = importlib.import_module(f"onnx.backend.test.case.node.{name}")
    found = []

    def expect(node, inputs, outputs, name, **_):
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        found.append((name, attributes, inputs, outputs))

    # Most inputs are drawn from the global generator: the same ones in every run and order.
    state = np.random.get_state()  # noqa: NPY002
    known, module.expect = module.expect, expect
    try:
        np.random.seed(0)  # noqa: NPY002
        for case in vars(module).values():
            if inspect.isclass(case) and case.__module__ == module.__name__:
                for export in [v for k, v in vars(case).items() if k.startswith("export")]:
                    export.__func__()
    finally:
        module.expect = known
        np.random.set_state(state)  # noqa: NPY002
    return found
