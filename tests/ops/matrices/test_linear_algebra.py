"""Linear algebra: equal eigenvalues and singular values, singular matrices, NumPy's functions."""

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import dlgradient as dl
from dlgradient.linalg import DegenerateWarning
from dlgradient.testing import check_derivatives


def gradient(function: Any, A: Any) -> Any:
    """Return the gradient of a real function of a matrix as an array."""
    found = dl.dlfeval(lambda A: dl.dlgradient(function(A), A, allow_complex=False), dl.dlarray(A))
    return np.asarray(dl.extractdata(found))


def orthogonal(rng: np.random.Generator, n: int) -> Any:
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


# -- equal values --------------------------------------------------------------------------------


def test_functions_of_equal_eigenvalues_are_finite(rng: np.random.Generator) -> None:
    Q = orthogonal(rng, 4)
    S = Q @ np.diag([1.0, 1.0, 1.0, 3.0]) @ Q.T
    S = (S + S.T) / 2
    np.testing.assert_allclose(
        gradient(lambda A: (dl.linalg.eigvalsh(A) ** 3).sum(), S), 3 * S @ S, atol=1e-12
    )
    np.testing.assert_allclose(
        gradient(lambda A: dl.log(dl.linalg.eigh(A).eigenvalues).sum(), S), np.linalg.inv(S)
    )


def test_a_projection_on_equal_eigenvalues(rng: np.random.Generator) -> None:
    Q = orthogonal(rng, 4)
    w = np.array([1.0, 1.0, 2.0, 2.0])
    S = (Q * w) @ Q.T
    S = (S + S.T) / 2
    G = rng.normal(size=(4, 4))

    def projected(A: Any) -> Any:
        V = dl.linalg.eigh(A).eigenvectors[:, 2:]
        return ((V @ V.T) * G).sum()

    # The projection is a polynomial of the matrix with these two eigenvalues: the sign function.
    P = Q[:, 2:] @ Q[:, 2:].T
    N = np.eye(4) - P
    expected = N @ (G + G.T) / 2 @ P
    np.testing.assert_allclose(gradient(projected, S), expected + expected.T, atol=1e-12)


def test_vectors_of_equal_eigenvalues_have_no_derivative(rng: np.random.Generator) -> None:
    weights = rng.normal(size=(3, 3))
    with pytest.warns(DegenerateWarning, match="eigh: values are equal"):
        found = gradient(lambda A: (dl.linalg.eigh(A).eigenvectors * weights).sum(), np.eye(3))
    assert np.isnan(found).any()
    with pytest.warns(DegenerateWarning, match="svd: values are equal"):
        found = gradient(lambda A: (dl.linalg.svd(A).U * weights).sum(), np.eye(3))
    assert np.isnan(found).any()
    assert issubclass(DegenerateWarning, RuntimeWarning)


@pytest.mark.parametrize("name", ["eigh", "svd"])
@pytest.mark.parametrize("higher", [False, True])
def test_a_function_of_a_matrix_through_equal_values_warns(name: str, higher: bool) -> None:
    def exponential(A: Any) -> Any:
        if name == "svd":
            u, s, vh = dl.linalg.svd(A)
        else:
            s, u = getattr(dl.linalg, name)(A)
            vh = dl.conj(u.T)
        loss = dl.real((u * dl.exp(s)) @ vh * [[1.0, 2.0], [3.0, 4.0]]).sum()
        return dl.dlgradient(loss, A, enable_higher_derivatives=higher)

    with pytest.warns(DegenerateWarning, match=f"{name}: values are equal.*expm"):
        dl.dlfeval(exponential, dl.dlarray(np.eye(2)))
    distinct = dl.dlfeval(exponential, dl.dlarray(np.diag([1.0, 2.0])))  # a warning is an error
    assert np.isfinite(dl.extractdata(distinct)).all()


def test_values_alone_and_spaces_alone_do_not_warn() -> None:
    def both(A: Any) -> Any:
        values, _ = dl.linalg.eigh(A)
        _, vectors = dl.linalg.eigh(A)
        space = vectors[:, :2] @ vectors[:, :2].T
        loss = (values**2).sum() + (space * np.arange(9.0).reshape(3, 3)).sum()
        return dl.dlgradient(loss, A)

    assert np.isfinite(dl.extractdata(dl.dlfeval(both, dl.dlarray(np.diag([1.0, 1, 3]))))).all()


@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (3, 4)])
def test_the_polar_factor_of_equal_singular_values(
    shape: tuple[int, int], rng: np.random.Generator
) -> None:
    """U Vᴴ of 2 W, with orthonormal W, and its derivative from the Newton iteration for it."""
    m, n = shape
    A = 2 * np.linalg.qr(rng.normal(size=(max(shape), min(shape))))[0]
    A = A if m >= n else A.T
    G = rng.normal(size=shape)

    def polar(A: Any) -> Any:
        U, _, Vh = dl.linalg.svd(A)
        return ((U @ Vh) * G).sum()

    def differences() -> Any:
        found = np.zeros(shape)
        for at in np.ndindex(shape):
            step = np.zeros(shape)
            step[at] = 1e-5
            ends = [scipy.linalg.polar(A + s * step)[0] for s in (1, -1)]
            found[at] = ((ends[0] - ends[1]) * G).sum() / 2e-5
        return found

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = gradient(polar, A)
    np.testing.assert_allclose(found, differences(), atol=1e-7)


def test_norms_of_equal_singular_values() -> None:
    np.testing.assert_allclose(
        gradient(lambda A: dl.linalg.matrix_norm(A, ord="nuc"), 3 * np.eye(3)), np.eye(3)
    )
    # The subgradient of minimum norm shares the derivative among equal values.
    np.testing.assert_allclose(
        gradient(lambda A: dl.linalg.matrix_norm(A, ord=2), 3 * np.eye(3)), np.eye(3) / 3
    )


def test_a_rank_deficient_matrix_has_a_nuclear_norm() -> None:
    A = np.outer([1.0, 2.0], [3.0, 4.0])
    found = gradient(lambda A: dl.linalg.svdvals(A)[0], A)
    u, _, vh = np.linalg.svd(A)
    np.testing.assert_allclose(found, np.outer(u[:, 0], vh[0]), atol=1e-12)


# -- functions of matrices -----------------------------------------------------------------------


def test_a_square_root_of_equal_eigenvalues(rng: np.random.Generator) -> None:
    G = rng.normal(size=(3, 3))
    found = gradient(lambda A: (dl.linalg.sqrtm(A) * G).sum(), 4 * np.eye(3))
    np.testing.assert_allclose(found, G / 4, atol=1e-12)
    found = gradient(lambda A: (dl.linalg.logm(A) * G).sum(), 4 * np.eye(3))
    np.testing.assert_allclose(found, G / 4, atol=1e-12)


def test_the_exponential_of_a_matrix_that_has_no_basis_of_eigenvectors() -> None:
    check_derivatives(dl.linalg.expm, np.array([[1.0, 1.0], [0.0, 1.0]]), order=2)


# -- singular matrices and other mistakes --------------------------------------------------------


def test_a_determinant_of_a_singular_matrix(rng: np.random.Generator) -> None:
    A = rng.normal(size=(4, 4))
    A[3] = A[0] + A[1]
    check_derivatives(dl.linalg.det, A, order=2)
    with pytest.raises(dl.MatrixError, match=r"inv: x, of shape \(2, 2\), is singular"):
        dl.linalg.inv(dl.dlarray(np.ones((2, 2))))
    with pytest.raises(np.linalg.LinAlgError):
        dl.dlfeval(lambda A: np.linalg.solve(A, [1.0, 2.0]), dl.dlarray(np.ones((2, 2))))


def test_determinants_neither_overflow_nor_underflow() -> None:
    sign, log = dl.linalg.slogdet(dl.dlarray(np.eye(500) * 10.0))
    assert (sign.item(), log.item()) == (1.0, pytest.approx(500 * np.log(10)))


@pytest.mark.parametrize("name", ["cholesky", "eigh", "eigvalsh"])
def test_a_triangle_is_refused(name: str) -> None:
    triangle = np.tril(np.full((3, 3), 2.0)) + np.eye(3)
    with pytest.raises(dl.InvalidArgumentError, match=f"{name}: x has shape .*lower triangle"):
        getattr(np.linalg, name)(dl.dlarray(triangle))
    whole = triangle + np.tril(triangle, -1).T
    found = getattr(np.linalg, name)(dl.dlarray(whole))
    expected = getattr(np.linalg, name)(triangle)  # NumPy reads the lower triangle
    pairs = zip(found, expected, strict=True) if name == "eigh" else [(found, expected)]
    for a, b in pairs:
        np.testing.assert_allclose(np.abs(dl.extractdata(a)), np.abs(b), atol=1e-12)


def test_each_matrix_of_a_stack_is_looked_at() -> None:
    """A large matrix in a stack hides nothing of a small one."""
    stack = np.stack([1e12 * np.eye(2), np.tri(2)])
    for name in ("cholesky", "eigh", "eigvalsh"):
        with pytest.raises(dl.InvalidArgumentError, match=f"{name}: .*by up to 1;"):
            getattr(dl.linalg, name)(stack)
    stack = np.stack([1e28 * np.eye(2), np.diag([1.0, -1.0])])
    with pytest.raises(dl.MatrixError, match=r"sqrtm: .*negative"):
        dl.linalg.sqrtm(stack)


def test_empty_stacks_have_shapes() -> None:
    x, y = dl.dlarray(np.zeros((0, 3, 2))), np.zeros((3, 4), complex)
    found = dl.linalg.lstsq(x, y)
    assert found.solution.shape == (0, 2, 4)
    assert found.solution.dtype == np.complex128
    assert (found.rank.shape, found.singular_values.shape) == ((0,), (0, 2))
    assert dl.linalg.lstsq(dl.dlarray(np.zeros((3, 0))), np.ones(3)).rank.item() == 0
    assert dl.linalg.solve_triangular(np.zeros((0, 2, 2)), np.ones((2, 1))).shape == (0, 2, 1)


@pytest.mark.parametrize("name", ["solve", "solve_triangular", "lstsq"])
def test_right_sides_that_do_not_fit(name: str) -> None:
    function, x = getattr(dl.linalg, name), dl.dlarray(np.ones((2, 3, 3)))
    text = rf"{name}: x has shape \(2, 3, 3\), y "
    for shape, problem in (
        ((), "must have 3 rows"),
        ((2,), "must have 3 rows"),
        ((3, 2, 1), "must have 3 rows"),
        ((4, 3, 1), "must broadcast"),
    ):
        with pytest.raises(dl.ShapeMismatchError, match=text + f".*{problem}"):
            function(x, np.ones(shape))
    with pytest.raises(dl.FormatClashError, match="stripdims"):
        function(dl.dlarray(np.eye(2), "CB"), [1.0, 2.0])
    found = function([[2.0, 0.0], [0.0, 4.0]], [1.0, 1.0])
    np.testing.assert_allclose(found.solution if name == "lstsq" else found, [0.5, 0.25])


# -- NumPy's functions ---------------------------------------------------------------------------

S = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])
X = np.array([[1.0, 2.0, -1.0], [0.5, -2.0, 3.0]])
CALLS: dict[str, Any] = {
    "inv": lambda S, _: np.linalg.inv(S),
    "solve": lambda S, X: np.linalg.solve(S, X.T),
    "lstsq": lambda S, X: np.linalg.lstsq(X.T, S, rcond=None)[:2],
    "det": lambda S, _: np.linalg.det(S),
    "slogdet": lambda S, _: np.linalg.slogdet(S)[1],
    "cholesky": lambda S, _: np.linalg.cholesky(S),
    "qr": lambda _, X: np.linalg.qr(X.T),
    "qr r": lambda _, X: np.linalg.qr(X, mode="r"),
    "svd": lambda _, X: np.linalg.svd(X, full_matrices=False),
    "svd square": lambda S, _: np.linalg.svd(S),
    "svd values": lambda _, X: np.linalg.svd(X, compute_uv=False),
    "eigh": lambda S, _: np.linalg.eigh(S),
    "eigvalsh": lambda S, _: np.linalg.eigvalsh(S),
    "pinv": lambda _, X: np.linalg.pinv(X),
    "cond": lambda _, X: np.linalg.cond(X),
    "matrix_power": lambda S, _: np.linalg.matrix_power(S, -2),
    "multi_dot": lambda S, X: np.linalg.multi_dot([X, S, X.T]),
    "norm": lambda _, X: np.linalg.norm(X),
    "norm axis": lambda _, X: np.linalg.norm(X, axis=1, keepdims=True),
    "norm nuc": lambda _, X: np.linalg.norm(X, "nuc"),
    "kron": lambda S, X: np.kron(S, X),
    "cross": lambda S, X: np.cross(X, S[:2]),
    "cross axes": lambda S, X: np.cross(X.T, S[:, :2], axisa=0, axisb=0, axisc=0),
    "trace": lambda S, _: np.trace(S),
    "linalg.trace": lambda S, _: np.linalg.trace(S),
}


@pytest.mark.parametrize("name", CALLS)
def test_numpy_s_functions_are_traced(name: str) -> None:
    def leaves(result: Any) -> list[Any]:
        return list(result) if isinstance(result, tuple) else [result]

    def call(S: Any, X: Any) -> Any:
        return leaves(CALLS[name](S, X))

    for a, b in zip(call(dl.dlarray(S), dl.dlarray(X)), call(S, X), strict=True):
        np.testing.assert_allclose(dl.extractdata(a), b, rtol=1e-12, atol=1e-13)

    def symmetric(S: Any, X: Any) -> Any:
        return call((S + S.T) / 2, X)  # NumPy's eigh and cholesky read a triangle

    check_derivatives(symmetric, S, X)


def test_what_numpy_has_without_a_derivative() -> None:
    assert np.linalg.matrix_rank(dl.dlarray(X)).item() == 2
    assert np.linalg.svd(dl.dlarray(X))[2].shape == (3, 3)  # not traced: NumPy's values
    with pytest.raises(dl.UnknownKeywordError, match="full_matrices=False"):
        dl.dlfeval(lambda X: np.linalg.svd(X), dl.dlarray(X))
    with pytest.raises(dl.UnknownKeywordError, match="mode='complete'"):
        dl.dlfeval(lambda X: np.linalg.qr(X, mode="complete"), dl.dlarray(X.T))


@pytest.mark.parametrize("tall", [True, False])
def test_least_squares_of_a_matrix_without_full_rank(tall: bool, rng: np.random.Generator) -> None:
    """Along matrices of the same rank, the derivative is that of the shortest solution."""
    B, C, b = rng.normal(size=(5, 2)), rng.normal(size=(2, 3)), rng.normal(size=5)
    if not tall:
        B, C, b = B[:3], rng.normal(size=(2, 5)), b[:3]

    def solution(B: Any, C: Any, b: Any) -> Any:
        return dl.linalg.lstsq(B @ C, b, rtol=1e-10).solution

    check_derivatives(solution, B, C, b, order=2)
    check_derivatives(lambda B, C: dl.linalg.pinv(B @ C, rtol=1e-10), B, C, order=2)


def test_complex_matrices_whose_vectors_have_a_phase(rng: np.random.Generator) -> None:
    A = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))
    check_derivatives(lambda A: dl.abs2(dl.linalg.eig(A).eigenvectors), A, order=2)
    check_derivatives(lambda A: dl.abs2(dl.linalg.svd(A).U), A[:, :2], order=2)
    wide = rng.normal(size=(2, 8)) + 1j * rng.normal(size=(2, 8))  # LAPACK takes another way
    check_derivatives(lambda A: list(dl.linalg.svd(A)), wide)


def test_float32_stays_float32(rng: np.random.Generator) -> None:
    A = (rng.normal(size=(3, 3)) + 3 * np.eye(3)).astype(np.float32)

    def run(A: Any) -> Any:
        S = A @ A.mT
        parts = [
            dl.linalg.inv(A).sum(),
            dl.linalg.svd(A).U.sum(),
            dl.linalg.eigh(S).eigenvectors.sum(),
            dl.linalg.logm(S).sum(),
            dl.linalg.expm(A / 4).sum(),
            dl.linalg.cholesky(S).sum(),
            dl.linalg.lu(A).U.sum(),
            dl.linalg.cond(A),
            dl.linalg.vector_norm(A, ord=3),
        ]
        return [dl.dlgradient(y, A) for y in parts]

    for g in dl.dlfeval(run, dl.dlarray(A)):
        assert g.dtype == np.float32
