"""Deep-learning functions, declared like every other operation.

They take dlarrays with a format, in any order of dimensions, or unlabelled arrays with
``data_format=``.
"""

import typing as _typing
from types import ModuleType as _Module

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

# As in the package: a name is said once, in the `__all__` of the module that defines it. A type
# checker cannot compute the list, and would find no name.
if not _typing.TYPE_CHECKING:
    __all__ = [
        name
        for name, value in globals().items()
        if not (name.startswith("_") or isinstance(value, _Module))
    ]
