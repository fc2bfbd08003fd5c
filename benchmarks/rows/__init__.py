"""The rows of the benchmark. A file declares one or a few; a new one finds its place here.

The files import no contestant's library: the processes that measure memory load one of them only.
"""

from __future__ import annotations

from rows.accelerated import (
    FAST_CHAIN,
    FAST_MLP,
    FAST_ROSENBROCK,
    FAST_STEP,
)
from rows.arrays import CUMSUM, INTERP, SORT
from rows.chain import CHAIN, DEEP_CHAIN
from rows.cliffs import CLIFFS
from rows.elementwise import ELEMENTWISE, FAST_ELEMENTWISE
from rows.imports import IMPORT
from rows.jacobian import HESSIAN, HESSIAN_DIAGONAL, JACOBIAN
from rows.layers import EMBED, NORMS, POOL
from rows.lite0 import PREDICT
from rows.loop import INDEXED_LOOP
from rows.memory import MEMORY
from rows.mlp import MLP_STEP, SMALL_MLP
from rows.optimiser import ADAM
from rows.overhead import OVERHEAD
from rows.pinn import FAST_PINN, PINN
from rows.ranks import RANKS
from rows.rosenbrock import ROSENBROCK
from rows.sequence import CTC, LSTM, TRANSFORMER
from rows.training import OWN_CNN, OWN_MLP, TRAIN_CNN, TRAIN_LSTM, TRAIN_MEMORY, TRAIN_MLP
from rows.vision import CNN, GAN

# In the order of the table.
_ALL = (
    ROSENBROCK,
    CHAIN,
    SMALL_MLP,
    FAST_ROSENBROCK,
    FAST_CHAIN,
    FAST_MLP,
    FAST_STEP,
    FAST_ELEMENTWISE,
    FAST_PINN,
    JACOBIAN,
    HESSIAN,
    HESSIAN_DIAGONAL,
    MLP_STEP,
    ELEMENTWISE,
    INDEXED_LOOP,
    DEEP_CHAIN,
    OVERHEAD,
    MEMORY,
    IMPORT,
    CNN,
    LSTM,
    TRANSFORMER,
    PINN,
    GAN,
    CTC,
    EMBED,
    POOL,
    NORMS,
    ADAM,
    TRAIN_CNN,
    TRAIN_MLP,
    TRAIN_LSTM,
    OWN_MLP,
    OWN_CNN,
    TRAIN_MEMORY,
    PREDICT,
    RANKS,
    CLIFFS,
    CUMSUM,
    SORT,
    INTERP,
)
ROWS = {row.name: row for row in _ALL}
