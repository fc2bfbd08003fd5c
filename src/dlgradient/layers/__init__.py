"""Layers: what a network is made of, one declaration each, and the class for a user's own.

A layer is a dataclass: its fields are its options. It says which arrays it learns and which it
carries from call to call, how they begin, and what it computes: `predict` after training,
`forward` in training, if that differs. It computes with public functions only, so that whatever
the library's layers do, a user's can do.

A layer in a network holds no arrays. Before a call the network makes a shallow copy, whose
attributes are the arrays of this call, traced or not. So calls in several threads are independent,
and nothing is changed in place.
"""

from dlgradient.layers.activation import *
from dlgradient.layers.attention import *
from dlgradient.layers.combination import *
from dlgradient.layers.convolution import *
from dlgradient.layers.dense import *
from dlgradient.layers.input import *
from dlgradient.layers.layer import *
from dlgradient.layers.layout import *
from dlgradient.layers.nested import *
from dlgradient.layers.neural_ode import *
from dlgradient.layers.normalization import *
from dlgradient.layers.pooling import *
from dlgradient.layers.positions import *
from dlgradient.layers.projected import *
from dlgradient.layers.recurrent import *
from dlgradient.layers.shaping import *
from dlgradient.layers.spectral import *
from dlgradient.layers.utility import *

__all__ = sorted(
    name
    for name, value in globals().items()
    if isinstance(value, type) and not name.startswith("_")
)


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> object:
    """Answer the name of a layer that does not exist, such as MATLAB's."""
    from dlgradient.interop.unknown import absent

    absent("layers", name)
