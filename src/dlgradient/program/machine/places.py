"""What a function reads besides its arguments, compared by machine code.

A place must hold the object that it held. If it holds an equal one, the call is a miss, and Python
looks again. What has no form here is left to a function of Python, which is called.
"""

from __future__ import annotations

from collections.abc import Callable

from dlgradient.engine.array import dlarray
from dlgradient.native.code import Register
from dlgradient.native.interface import slots_of
from dlgradient.native.objects import PythonFunction
from dlgradient.program.machine.cells import Unsupported
from dlgradient.program.watch import Place, Watch

__all__ = ["is_other", "watched_places"]


def is_other(f: PythonFunction, found: Register, expected: object) -> Register:
    """Return whether an address is not that of an object."""
    return f.assign(f"icmp ne ptr {found.name}, {f.object(expected).name}", "i1")


def watched_places(f: PythonFunction, watch: Watch, miss: str) -> None:
    """Write what goes to a label if anything has changed."""
    rest = []
    for place in watch.places:
        rule = _RULES.get(place.form)
        if rule is _item and type(place.owner) is not dict:
            rule = None
        if rule is None:
            rest.append(place)
        else:
            rule(f, place, miss)
    if rest:
        unchanged = f.object(watch.function_of(rest))
        found = f.invoke("PyObject_CallNoArgs", "ptr", unchanged)
        # True and False live as long as Python: what is released here is only counted.
        other = is_other(f, found, True)
        f.invoke("Py_DecRef", "void", found)
        f.branch(other, miss)


def _of_function(name: str) -> Callable[[PythonFunction, Place, str], None]:
    """Return the rule of an attribute of a function; nothing is None."""

    def rule(f: PythonFunction, place: Place, miss: str) -> None:
        found = f.invoke(name, "ptr", f.object(place.owner))
        if place.value is None:
            f.branch(f.assign(f"icmp ne ptr {found.name}, null", "i1"), miss)
        else:
            f.branch(is_other(f, found, place.value), miss)

    return rule


def _cell(f: PythonFunction, place: Place, miss: str) -> None:
    found = f.invoke("PyCell_Get", "ptr", f.object(place.owner))
    f.invoke("Py_DecRef", "void", found)  # the cell has a reference, or it holds another object
    f.branch(is_other(f, found, place.value), miss)


def _item(f: PythonFunction, place: Place, miss: str) -> None:
    owner, key = f.object(place.owner), f.object(place.key)
    found = f.invoke("PyDict_GetItemWithError", "ptr", owner, key)
    f.branch(is_other(f, found, place.value), miss)


def _array(f: PythonFunction, place: Place, miss: str) -> None:
    slots = slots_of(dlarray)
    if slots is None:
        raise Unsupported("dlarrays with slots elsewhere")
    array = f.object(place.owner)
    value, fmt = place.value
    f.branch(is_other(f, f.field(array, slots["_value"], "ptr"), value), miss)
    f.branch(is_other(f, f.field(array, slots["_format"], "ptr"), fmt), miss)


_RULES: dict[str, Callable[[PythonFunction, Place, str], None]] = {
    "code": _of_function("PyFunction_GetCode"),
    "defaults": _of_function("PyFunction_GetDefaults"),
    "kwdefaults": _of_function("PyFunction_GetKwDefaults"),
    "cell": _cell,
    "global": _item,
    "item": _item,
    "array": _array,
}
