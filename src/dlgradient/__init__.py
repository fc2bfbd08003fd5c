"""Automatic differentiation for array programs on NumPy.

`dlfeval` evaluates a function of dlarrays and traces it; inside, `dlgradient` walks the trace from
a real scalar back to the variables. The module is also a namespace of the array-API standard, the
one that ``x.__array_namespace__()`` returns.

Examples
--------
>>> import dlgradient as dl
>>> def rosenbrock(x):
...     y = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
...     return y, dl.dlgradient(y, x)
>>> y, gradient = dl.dlfeval(rosenbrock, dl.dlarray([-1.0, 2.0]))
>>> y.item(), gradient.tolist()
(104.0, [396.0, 200.0])
"""

import typing as _typing
from importlib import import_module as _import_module
from types import ModuleType as _Module

# "as" exports a module to type checkers.
from dlgradient import errors as errors
from dlgradient import fft as fft
from dlgradient import linalg as linalg
from dlgradient import rules as rules
from dlgradient.engine.array import *
from dlgradient.engine.custom import *
from dlgradient.engine.define import *
from dlgradient.engine.devices import *
from dlgradient.engine.evaluate import *
from dlgradient.engine.forward import *
from dlgradient.engine.gradient import *
from dlgradient.errors import *
from dlgradient.interop.namespace import *
from dlgradient.interop.unknown import missing as _missing
from dlgradient.native.switch import *
from dlgradient.ops.accumulate import *
from dlgradient.ops.arithmetic import *
from dlgradient.ops.bitwise import *
from dlgradient.ops.casting import *
from dlgradient.ops.choice import *
from dlgradient.ops.complex import *
from dlgradient.ops.constants import *
from dlgradient.ops.create import *
from dlgradient.ops.cumulative import *
from dlgradient.ops.differences import *
from dlgradient.ops.einsum import *
from dlgradient.ops.exponential import *
from dlgradient.ops.grids import *
from dlgradient.ops.interpolate import *
from dlgradient.ops.join import *
from dlgradient.ops.kronecker import *
from dlgradient.ops.linalg import *
from dlgradient.ops.logical import *
from dlgradient.ops.missing import *
from dlgradient.ops.moments import *
from dlgradient.ops.order import *
from dlgradient.ops.pad import *
from dlgradient.ops.permute import *
from dlgradient.ops.piecewise import *
from dlgradient.ops.powers import *
from dlgradient.ops.quantiles import *
from dlgradient.ops.ranges import *
from dlgradient.ops.reduce import *
from dlgradient.ops.rounding import *
from dlgradient.ops.running import *
from dlgradient.ops.search import *
from dlgradient.ops.sets import *
from dlgradient.ops.shape import *
from dlgradient.ops.statistics import *
from dlgradient.ops.take import *
from dlgradient.ops.trigonometry import *
from dlgradient.solvers.ode import *
from dlgradient.train.update import *

__version__ = "0.1.0"


def _load_functions() -> None:
    """Load the deep-learning functions, which are two fifths of the package (row import)."""
    import dlgradient.special  # an import of a module is an attribute of its package
    from dlgradient.nn import namespace

    for name, value in vars(namespace).items():
        globals().setdefault(name, value)  # what the user replaced stays


def _load_derivatives() -> None:
    """Load the functions of whole Jacobians and Hessians."""
    from dlgradient.engine import namespace

    for name, value in vars(namespace).items():
        globals().setdefault(name, value)


def _load_programs() -> None:
    """Load what accelerates functions, which most programs do without (row import)."""
    from dlgradient.program import namespace

    for name, value in vars(namespace).items():
        globals().setdefault(name, value)


def _load_networks() -> None:
    """Load layers and networks, whose classes take as long as all the rest (row import)."""
    import dlgradient.metrics  # an import of a module is an attribute of its package
    import dlgradient.networks
    import dlgradient.schedules
    from dlgradient.train import namespace

    for name, value in vars(namespace).items():
        globals().setdefault(name, value)


def _load_checks() -> None:
    """Load the checks of layers, which need networks and the tests of derivatives."""
    from dlgradient.testing import namespace

    for name, value in vars(namespace).items():
        globals().setdefault(name, value)


_LOADERS = (_load_functions, _load_derivatives, _load_programs, _load_networks, _load_checks)


def _public_names() -> list[str]:
    """Load what is not loaded yet, and return the names of all that users need."""
    for load in _LOADERS:
        load()
    folders = ["errors", "fft", "layers", "linalg", "metrics", "networks", "rules", "schedules"]
    folders.append("special")
    public = (*folders, "__array_namespace_info__", "__version__")
    # A name is said once, in the `__all__` of the module that defines it; folders are not public.
    globals()["__all__"] = names = [
        name
        for name, value in globals().items()
        if name in public or not (name.startswith("_") or isinstance(value, _Module))
    ]
    return names


def __dir__() -> list[str]:
    return sorted(_public_names())


if _typing.TYPE_CHECKING:
    from dlgradient import layers as layers
    from dlgradient import metrics as metrics
    from dlgradient import networks as networks
    from dlgradient import schedules as schedules
    from dlgradient import sklearn as sklearn
    from dlgradient import special as special
    from dlgradient.engine.namespace import *
    from dlgradient.nn.namespace import *
    from dlgradient.program.namespace import *
    from dlgradient.testing.namespace import *
    from dlgradient.train.namespace import *
else:
    # Names that are not here yet are loaded when they are asked for. A type checker must not see
    # this function: with it, every name exists.
    def __getattr__(name: str) -> object:
        if name == "__all__":
            return _public_names()
        if name == "sklearn":  # not one of `__all__`: it needs another package
            return _import_module("dlgradient.sklearn")
        if not name.startswith("_"):
            for load in _LOADERS:
                load()
                if name in globals():
                    return globals()[name]
        return _missing(name)
