"""The node tests of the ONNX standard, made by the modules its own backend tests come from.

The expected values are computed there by NumPy code that belongs to the standard, which makes them
an oracle that shares nothing with the functions under test.
"""

import importlib
import inspect

import numpy as np
import pytest

import dlgradient as dl


def made(name, *, in_place=False):
    """Make every test of one operator.

    Parameters
    ----------
    name : str
        A module of ``onnx.backend.test.case.node``: the operator in lower case, mostly.
    in_place : bool
        Whether there is None for an input that a test leaves out, so that the ones behind keep
        their places.

    Returns
    -------
    list of tuple
        The name of each test, its attributes as a dict, and its inputs and outputs as lists of
        arrays, without the optional ones that the test leaves out.
    """
    onnx = pytest.importorskip("onnx")
    found = []

    def expect(node, inputs, outputs, name, **_):
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if in_place and len(inputs) < len(node.input):
            given = iter(inputs)
            inputs = [next(given) if x else None for x in node.input]
        found.append((name, attributes, inputs, outputs))

    run_exports(name, expect)
    return found


def run_exports(name, expect):
    """Let a module of the standard make its tests, with `expect` for the function that takes each.

    Most inputs are drawn from the global generator: the same ones in every run and order.
    """
    module = importlib.import_module(f"onnx.backend.test.case.node.{name}")
    state = np.random.get_state()  # noqa: NPY002
    known = getattr(module, "expect", None)
    try:
        module.expect = expect
        np.random.seed(0)  # noqa: NPY002
        for case in vars(module).values():
            if inspect.isclass(case) and case.__module__ == module.__name__:
                for export in [v for k, v in vars(case).items() if k.startswith("export")]:
                    export.__func__()
    finally:
        module.expect = known
        np.random.set_state(state)  # noqa: NPY002


def supported(test):
    """Whether every array of a test is of a dtype that the library has.

    Left out are arrays of half and brain precision and of strings, and sequences of arrays.
    """
    dtypes = set(dl.__array_namespace_info__().dtypes().values())
    _, _, inputs, outputs = test
    arrays = [x for x in [*inputs, *outputs] if x is not None]
    return all(getattr(x, "dtype", None) in dtypes for x in arrays)


def wrapped(x):
    """A dlarray of what can be differentiated, and anything else as it is."""
    return dl.dlarray(x) if x is not None and x.dtype.kind in "fc" else x


def check(operator, adapter, rtol=1e-6, atol=1e-6):
    """Compare an adapter with every test of an operator, by shape, dtype and value.

    Parameters
    ----------
    operator : str
        As for `made`.
    adapter : callable
        Called with the attributes, among them as "outputs" how many outputs the test has, and then
        with the inputs, the floating-point ones as dlarrays; returns an array, or a tuple of at
        least as many as the test has outputs.
    rtol, atol : float
        Tolerances. The standard's own are 1e-3 and 1e-7.
    """
    tests = [test for test in made(operator, in_place=True) if supported(test)]
    assert tests, f"the standard has no test of {operator}, or none of a dtype of the library"
    for name, attributes, inputs, outputs in tests:
        found = adapter({"outputs": len(outputs), **attributes}, *map(wrapped, inputs))
        found = found if isinstance(found, tuple) else (found,)
        assert len(found) >= len(outputs), name
        for y, expected in zip(map(np.asarray, found), outputs, strict=False):
            assert (y.shape, y.dtype) == (expected.shape, expected.dtype), name
            np.testing.assert_allclose(y, expected, rtol=rtol, atol=atol, err_msg=name)
