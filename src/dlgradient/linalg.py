"""The namespace ``dlgradient.linalg``: linear algebra with the names of the array-API standard.

It has NumPy's functions of ``numpy.linalg`` too, and some of ``scipy.linalg``.

Examples
--------
>>> A, b = dl.dlarray([[2.0, 0.0], [0.0, 4.0]]), np.ones(2)
>>> def energy(A):
...     return dl.dlgradient(dl.sum(dl.linalg.solve(A, b)), A)
>>> dl.dlfeval(energy, A).tolist()
[[-0.25, -0.125], [-0.125, -0.0625]]
"""

from dlgradient.ops.kronecker import cross
from dlgradient.ops.linalg import matmul, matrix_transpose, outer, tensordot, vecdot
from dlgradient.ops.matrices.determinants import SlogdetResult, det, slogdet
from dlgradient.ops.matrices.diagonals import diagonal, trace
from dlgradient.ops.matrices.eigen import EighResult, EigResult, eig, eigh, eigvals, eigvalsh
from dlgradient.ops.matrices.factors import LUResult, QRResult, cholesky, lu, qr
from dlgradient.ops.matrices.functions import expm, logm, matrix_power, multi_dot, sqrtm
from dlgradient.ops.matrices.gaps import DegenerateWarning
from dlgradient.ops.matrices.norms import cond, matrix_norm, matrix_rank, norm, vector_norm
from dlgradient.ops.matrices.singular import SVDResult, svd, svdvals
from dlgradient.ops.matrices.systems import (
    LeastSquares,
    inv,
    lstsq,
    pinv,
    solve,
    solve_triangular,
)

__all__ = [
    "DegenerateWarning",
    "EigResult",
    "EighResult",
    "LUResult",
    "LeastSquares",
    "QRResult",
    "SVDResult",
    "SlogdetResult",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "expm",
    "inv",
    "logm",
    "lstsq",
    "lu",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "sqrtm",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]
