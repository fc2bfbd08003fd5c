"""What an unknown name of the package means: one of another library, or a misspelt one."""

from __future__ import annotations

import sys
from types import FrameType
from typing import NoReturn

import numpy as np

from dlgradient.core.spelling import close_name, layer_name, same_name
from dlgradient.errors import located
from dlgradient.interop.counterparts import answers, page, without_links
from dlgradient.interop.expressions import words_of
from dlgradient.interop.scipy_names import BY_NAME, MODULES, expressions_of, note_of
from dlgradient.interop.table import find, supported

__all__ = ["absent", "missing", "of_scipy"]

# Namespaces of classes, and what their names end in elsewhere.
_ENDINGS = {"layers": "Layer", "metrics": "Metric", "schedules": "LearnRate"}
# Of PyTorch, whose schedules have other words.
_SCHEDULES = {
    "StepLR": "Piecewise",
    "MultiStepLR": "Piecewise",
    "LinearLR": "Warmup",
    "CosineAnnealingLR": "Cosine",
    "CosineAnnealingWarmRestarts": "Cosine",
    "CyclicLR": "Cyclical",
    "ExponentialLR": "Exponential",
    "PolynomialLR": "Polynomial",
}

# What to write for the functions and classes of a module of SciPy.
_MODULES = {
    "scipy.sparse.linalg": (
        "write dl.linalg.solve(A.toarray(), b) if A is small, or make an operation of it as on the "
        'page "Linear systems"'
    ),
    "numpy.ma": (
        'a masked array has NumPy arrays; write dl.where(mask, 0, x), as on the page "Masks"'
    ),
    "scipy.optimize": (
        'a root or a minimum has derivatives by what it depends on as on the page "Implicit '
        'derivatives", and is found as on the page "Optimise with SciPy"'
    ),
}
# Functions that users know by another name.
_PUBLIC = {
    ("numpy.lib", name): ("numpy", "vectorize")
    for name in ("_get_ufunc_and_otypes", "_vectorize_call", "_vectorize_call_with_signature")
}


def _answer(name: str) -> str:
    """Return what to write instead of a name of this package that does not exist, or ''."""
    names = sys.modules["dlgradient"].__all__  # an import would go upwards
    layer = _layer(name)
    if name in answers():
        return answers()[name] + (f", or layers.{layer} in a network" if layer else "")
    same = same_name(name, names)
    if layer:
        return f"write layers.{layer} in a network" + (f", or {same}(x), a function" * bool(same))
    written = same or _in_namespace(name)
    if written:
        return f"write {written}"
    close = close_name(name, names)
    function = getattr(np, name, None)
    if function is not None and not close:
        return _of_numpy(name) if callable(function) else ""
    return f"did you mean {close!r}?" if close else ""


def _in_namespace(name: str) -> str | None:
    """Return what a namespace has for a name: a metric, a schedule or a transform."""
    for space in ("metrics", "schedules"):
        if meant := _class_of(space, name):
            return f"{space}.{meant}"
    for space in ("fft", "linalg", "special"):
        if name in getattr(sys.modules["dlgradient"], space).__all__:
            return f"{space}.{name}(x)"
    return None


def _layer(name: str) -> str | None:
    """Return the layer that a name like MATLAB's or PyTorch's for a layer means."""
    layers = sys.modules["dlgradient"].layers.__all__
    spelt = name[0].isupper() or name.lower().endswith("layer")
    return layer_name(name, layers) if spelt else None


def _class_of(space: str, name: str) -> str | None:
    """Return the class of a namespace that a name means elsewhere."""
    names = getattr(sys.modules["dlgradient"], space).__all__
    if space == "layers":
        return layer_name(name, names)
    ending = _ENDINGS[space]
    spelt = name[0].isupper() or name.endswith(ending)
    meant = same_name(name.removesuffix(ending), names) if spelt else None
    return meant or (_SCHEDULES.get(name) if space == "schedules" else None)


def absent(space: str, name: str) -> NoReturn:
    """Raise an error for a name that a namespace of classes does not have.

    Parameters
    ----------
    space : {"layers", "metrics", "schedules"}
    name : str

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.metrics.accuracyMetric
    Traceback (most recent call last):
    ...
    AttributeError: dlgradient.metrics has no attribute 'accuracyMetric'; write metrics.Accuracy
    """
    names = {n.lower(): n for n in getattr(sys.modules["dlgradient"], space).__all__}
    fix = f"dir({space}) lists them"
    if name.startswith("_"):
        fix = ""
    elif meant := _class_of(space, name):
        fix = f"write {space}.{meant}"
    elif name in answers():
        fix = answers()[name]
    elif close := close_name(name.removesuffix(_ENDINGS[space]).lower(), list(names)):
        fix = f"did you mean {names[close]!r}?"
    text = f"dlgradient.{space} has no attribute {name!r}{fix and '; '}{fix}"
    raise AttributeError(located(text, page(name)), name=name)


def _of_numpy(name: str) -> str:
    if name in supported():
        return f"write numpy.{name}, which is traced on dlarrays"
    return f"it has no traced form; numpy.{name} is for what is not traced"


def of_scipy(frame: FrameType | None) -> str:
    """Return what to write for the function of SciPy that asks for the values of a dlarray, or ''.

    Parameters
    ----------
    frame : frame or None
        Of the caller; several functions of SciPy and NumPy may be on the way to the user's.
    """
    asking = []
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] not in ("scipy", "numpy"):
            break
        called = module.partition("._")[0].removesuffix(".core"), frame.f_code.co_name
        asking.append(_PUBLIC.get(called, called))
        frame = frame.f_back
    for module, name in reversed(asking):
        advice = _advice(module, name)
        if advice:
            return f"{module}.{name} is not traced; {advice}; or take extractdata(x) for a constant"
    for module, name in reversed(asking):  # a method, as of a spline, or of a sparse matrix
        if module in MODULES:
            advice = f"it {without_links(note_of(module, name))}"
            return f"{module} is not traced; {advice}; or take extractdata(x) for a constant"
    return ""


def _advice(module: str, name: str) -> str:
    if module == "scipy.fft" and find(getattr(np.fft, name, None)):
        return f"write np.fft.{name}(x)"
    if module in MODULES:
        return _of_module(module, name)
    if module in _MODULES:
        return _MODULES[module]
    if (module, name) not in _PUBLIC.values() and name in BY_NAME.get(module, (name,)):
        return ""
    if name in sys.modules["dlgradient"].__all__:
        return f"write {name}(x)"
    special = module == "scipy.special" and name in sys.modules["dlgradient"].special.__all__
    return f"write dl.special.{name}(x)" if special else answers().get(name, "")


def _of_module(module: str, name: str) -> str:
    if module == "scipy.fft" and name in answers():
        return answers()[name]
    cases = expressions_of(module).get(name)
    if cases:
        return f"write {words_of(cases)}"
    public = getattr(sys.modules[module], name, None) is not None and name[0] != "_"
    return f"it {without_links(note_of(module, name))}" if public else ""


def missing(name: str) -> NoReturn:
    """Raise an error for a name that the package does not have, and say what to write.

    It is the package's ``__getattr__``.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.cat
    Traceback (most recent call last):
    ...
    AttributeError: module 'dlgradient' has no attribute 'cat'; write dl.concat([x, y], axis=0)
    """
    found = "" if name.startswith("_") else _answer(name)
    text = f"module 'dlgradient' has no attribute {name!r}"
    text = f"{text}; {found}" if found else text
    raise AttributeError(located(text, page(name)), name=name)
