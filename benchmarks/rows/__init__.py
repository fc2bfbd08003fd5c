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
from rows.chain import CHAIN, DEEP_CHAIN, FAST_ORDERS
from rows.cliffs import CLIFFS
from rows.elementwise import ELEMENTWISE, FAST_ELEMENTWISE
from rows.imports import IMPORT
from rows.jacobian import HESSIAN, HESSIAN_DIAGONAL, JACOBIAN
from rows.layers import EMBED, FAST_NORMS, FAST_POOL, NORMS, POOL
from rows.lite0 import PREDICT
from rows.loop import FAST_LOOP, FAST_ODE, INDEXED_LOOP
from rows.matrices import MATRICES
from rows.memory import MEMORY
from rows.mixture import K_MEANS, MIXTURE, SEQUENCE
from rows.mlp import FAST_MLP_STEP, MLP_STEP, SMALL_MLP
from rows.optimiser import ADAM
from rows.overhead import OVERHEAD
from rows.pinn import FAST_PINN, PINN
from rows.ranks import RANKS
from rows.rosenbrock import ROSENBROCK
from rows.sequence import CTC, FAST_LSTM, FAST_TRANSFORMER, LSTM, TRANSFORMER
from rows.training import OWN_CNN, OWN_MLP, TRAIN_CNN, TRAIN_LSTM, TRAIN_MEMORY, TRAIN_MLP
from rows.vision import CNN, FAST_CNN, FAST_GAN, GAN

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
    FAST_ORDERS,
    FAST_LOOP,
    FAST_ODE,
    MIXTURE,
    K_MEANS,
    SEQUENCE,
    FAST_MLP_STEP,
    FAST_CNN,
    FAST_LSTM,
    FAST_TRANSFORMER,
    FAST_GAN,
    FAST_NORMS,
    FAST_POOL,
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
    MATRICES,
)
ROWS = {row.name: row for row in _ALL}
