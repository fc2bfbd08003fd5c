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
from types import ModuleType as _Module

from dlgradient import errors, rules
from dlgradient.engine.array import *
from dlgradient.engine.custom import *
from dlgradient.engine.define import *
from dlgradient.engine.evaluate import *
from dlgradient.engine.forward import *
from dlgradient.engine.gradient import *
from dlgradient.errors import *
from dlgradient.interop.namespace import *
from dlgradient.nn.activations.complexrelu import *
from dlgradient.nn.activations.gated import *
from dlgradient.nn.activations.piecewise import *
from dlgradient.nn.activations.smooth import *
from dlgradient.nn.activations.softmax import *
from dlgradient.nn.attention.attention import *
from dlgradient.nn.attention.positions import *
from dlgradient.nn.convolution.conv import *
from dlgradient.nn.images.blocks import *
from dlgradient.nn.images.quality import *
from dlgradient.nn.images.resize import *
from dlgradient.nn.images.roi import *
from dlgradient.nn.images.sample import *
from dlgradient.nn.initialize import *
from dlgradient.nn.linear.dropout import *
from dlgradient.nn.linear.embed import *
from dlgradient.nn.linear.fullyconnect import *
from dlgradient.nn.losses.classification import *
from dlgradient.nn.losses.ctc import *
from dlgradient.nn.losses.divergence import *
from dlgradient.nn.losses.regression import *
from dlgradient.nn.losses.similarity import *
from dlgradient.nn.normalization.batch_layer import *
from dlgradient.nn.normalization.groups import *
from dlgradient.nn.pooling.adaptive import *
from dlgradient.nn.pooling.pool import *
from dlgradient.nn.recurrent.gru import *
from dlgradient.nn.recurrent.lstm import *
from dlgradient.nn.signal import *
from dlgradient.ops import fft
from dlgradient.ops.accumulate import *
from dlgradient.ops.arithmetic import *
from dlgradient.ops.bitwise import *
from dlgradient.ops.casting import *
from dlgradient.ops.choice import *
from dlgradient.ops.complex import *
from dlgradient.ops.constants import *
from dlgradient.ops.create import *
from dlgradient.ops.cumulative import *
from dlgradient.ops.exponential import *
from dlgradient.ops.join import *
from dlgradient.ops.linalg import *
from dlgradient.ops.logical import *
from dlgradient.ops.moments import *
from dlgradient.ops.permute import *
from dlgradient.ops.powers import *
from dlgradient.ops.ranges import *
from dlgradient.ops.reduce import *
from dlgradient.ops.rounding import *
from dlgradient.ops.search import *
from dlgradient.ops.shape import *
from dlgradient.ops.take import *
from dlgradient.ops.trigonometry import *
from dlgradient.solvers.ode import *
from dlgradient.train.update import *

if not _typing.TYPE_CHECKING:  # a checker reports a name that does not exist by itself
    from dlgradient.core.spelling import missing as __getattr__

__version__ = "0.1.0"

# A name is said once, in the `__all__` of the module that defines it; the folders are not public.
__all__ = [
    name
    for name, value in globals().items()
    if name in ("errors", "fft", "rules", "__array_namespace_info__", "__version__")
    or not (name.startswith("_") or isinstance(value, _Module))
]


def __dir__() -> list[str]:
    return sorted(__all__)
