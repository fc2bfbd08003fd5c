"""What is said instead of a name of PyTorch or JAX has the value of its function.

Run by `make test-peers`. The expressions are those of the pages `docs/supported/torch.md` and
`jax.md`: one of those for a name must have the value of the call.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special
import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812 - its usual name

import dlgradient as dl

# PyTorch warns of names and defaults that it will change.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

ANSWER = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "supported_pages.py"))["answer"]

# Calls; after | are other arguments than those of `scope`.
TORCH = """
torch: acos asin (x) | x = x / 4
torch: abs atan sinh absolute arctan arcsinh deg2rad rad2deg fix sinc rsqrt frac (x)
torch: frac fix sgn absolute nan_to_num (x) | x = -x / 4
torch: nan_to_num nansum nanmean isposinf isneginf (x) | x = np.array([1.0, np.nan, np.inf])
torch: nan_to_num (x) | x = np.array([1, np.nan, np.inf], np.float32)
torch: diag nonzero argsort clone isreal std_mean var_mean (x)
torch: std var diagflat diag_embed numel combinations msort norm (x)
torch: logcumsumexp (x, 0)
torch: logcumsumexp (x, 0) | x = A
torch: channel_shuffle (A, n) | A = np.arange(36.0).reshape(2, 6, 3)
torch: diagonal diag norm (x) | x = A
torch: trace aminmax amax amin rot90 fliplr flipud ravel t adjoint cov msort (A)
torch: isreal (x) | x = A + 1j * B
torch: adjoint (A) | A = A + 1j * B
torch: float_power fmod fmax fmin true_divide dot inner vdot dist heaviside (x, y)
torch: dot inner vdot (x, y) | x = x + 1j * y, y = y - 1j * x
torch: equal allclose isclose cartesian_prod ger xlogy pairwise_distance polar (x, y)
torch: kron mm inner block_diag cdist (A, B)
torch: kron (x, y)
torch: mv (A, x)
torch: vstack row_stack hstack dstack column_stack concatenate cat ([x, y])
torch: vstack row_stack column_stack ([A, B])
torch: meshgrid broadcast_tensors (x, y)
torch: lerp (x, y, 0.5)
torch: trapezoid cumulative_trapezoid (y, x)
torch: trapezoid (y)
torch: logsumexp (x, 0)
torch: logsumexp (A, 1)
torch: vander clamp_min clamp_max (x, n)
torch: tile (x, (n,))
torch: vander (x, increasing=True)
torch: clamp (x, 0, n)
torch: select (A, 0, 1)
torch: narrow (x, 0, 0, 2)
torch: index_select (A, 0, i)
torch: take_along_dim (A, A.argmax(0, keepdim=True), 0)
torch: masked_select (x, c)
torch: masked_fill (x, c, 0)
torch: index_fill (x, 0, torch.tensor([0, 2]), n)
torch: fill (x, n)
torch: scatter_add (torch.zeros(3, dtype=x.dtype), 0, i, x)
torch: addmm (x, A, B) | x = A
torch: addmv (x, A, y)
torch: addr addcmul addcdiv (A, x, y)
torch: split (x, 2)
torch: chunk tensor_split (x, n)
torch: tensor_split (x, [1, 2])
torch: split_with_sizes (x, [1, 2])
torch: view_as_complex (A) | A = A[:, :2].copy()
torch: view_as_real (x) | x = x + 1j * y
torch: bucketize (x, torch.tensor([1.5]))
torch: searchsorted (x, 1.5)
torch: repeat_interleave (x, n)
torch: unsqueeze (x, 0)
torch: unbind (A)
torch: movedim swapdims (A, 0, 1)
torch: ldexp (x, torch.tensor(n))
torch: logspace (x[0].item(), x[1].item(), n)
torch: cosine_similarity (x, y, dim=0)
torch: cosine_similarity (A, B)
torch.linalg: norm vector_norm (x)
torch.linalg: norm vector_norm (x, ord=1)
torch.linalg: norm vector_norm (x, ord=np.inf)
torch.linalg: vector_norm (A, dim=1)
torch.linalg: norm matrix_norm (A, ord=1)
torch.linalg: norm matrix_norm (A, ord=np.inf)
torch.linalg: vander (x)
torch.linalg: cross (x, y) | x = A, y = B
torch.special: entr logit expit (x) | x = x / 4
torch.special: xlog1py (x, y)
F: huber_loss smooth_l1_loss binary_cross_entropy_with_logits (Y, targets)
F: mse_loss l1_loss soft_margin_loss poisson_nll_loss pairwise_distance kl_div (x, y)
F: binary_cross_entropy (torch.sigmoid(Y), targets)
F: margin_ranking_loss (x, y, torch.tensor([n])) | n = -1
F: bilinear (A, B, torch.stack([A, B]))
F: cosine_embedding_loss (A, B, torch.tensor([1, -1, 1])) | x = (A * B).sum(1) / \
np.sqrt((A**2).sum(1) * (B**2).sum(1)), y = np.array([1.0, -1.0, 1.0])
F: hinge_embedding_loss (x, y) | y = np.array([1.0, -1.0, 1.0])
F: gaussian_nll_loss (x.expand(3, 3), y.expand(3, 3), A)
F: multilabel_soft_margin_loss (x, y)
F: silu relu6 hardswish hardshrink softshrink (x) | x = x - 2
F: tanhshrink logsigmoid hardtanh hardsigmoid (x) | x = x - 2
F: softmin (Y, dim=1)
F: celu (x)
F: threshold (x, 0.5, 0.0)
F: pad (x, (n, n))
F: pdist (A)
F: one_hot (i)
F: embedding (i, A)
F: conv2d (X, weights)
F: conv2d (X, weights, padding="same")
F: conv_transpose2d (X, weights_t)
F: max_pool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d (X, 2)
F: pixel_shuffle (X4, 2)
F: pixel_unshuffle (X, 2)
F: interpolate upsample_nearest (X, (8, 8))
F: interpolate (X, (8, 8), mode="bilinear")
F: upsample_bilinear (X, (8, 8))
F: scaled_dot_product_attention (Y.mT, Y.mT, Y.mT)
F: multi_head_attention_forward (*[Y.permute(2, 0, 1)] * 3, 4, 2, torch.cat([A_q, A_k, A_v]), \
torch.cat([b_q, b_k, b_v]), None, None, False, 0.0, A_o, b_o)
F: linear (x, A, y)
F: normalize (A)
F: normalize (A) | A = np.arange(24.0).reshape(2, 3, 4)
F: normalize (A) | A = np.zeros((2, 3))
F: nll_loss (Y, labels) | Y = np.log(Y / Y.sum(0))
F: cross_entropy (Y, labels)
F: triplet_margin_loss (A, A + 1, B)
F: local_response_norm (X, 3)
"""

JAX = """
jax.nn: gelu celu silu hard_silu hard_swish hard_tanh hard_sigmoid relu6 squareplus mish (x)
jax.nn: gelu celu silu hard_silu hard_swish hard_tanh hard_sigmoid relu6 squareplus (x) | x = x - 3
jax.nn: standardize logmeanexp logsumexp log_sigmoid identity sparse_plus sparse_sigmoid (x)
jax.nn: sparse_plus sparse_sigmoid (x) | x = x - 3
jax.nn: log1mexp (x)
jax.nn: one_hot (i, n)
jax.numpy: vander isreal iscomplex size nan_to_num (x)
jax.numpy: heaviside correlate convolve kron inner vdot (x, y)
jax.numpy: select ([c], [x], y)
jax.numpy: choose (c.astype(int), [x, y])
jax.numpy.linalg: norm (A, ord=1)
jax.scipy.special: kl_div rel_entr xlogy xlog1py (x, y)
jax.scipy.special: boxcox boxcox1p (x, n)
jax.scipy.special: entr logit expit (x) | x = x / 4
"""


def calls(table: str) -> list[tuple[str, str, str]]:
    found = re.findall(r"(\S+): ([^(]+) \(((?:[^|\n])+)\)(?: \| (.+))?\n", table)
    rows = [(f"{s}.{n}", g, o or "") for s, names, g, o in found for n in names.split()]
    return [row for row in rows if not row[0].endswith("_")]


def scope() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {
        "x": np.array([1.0, 2.0, 3.0]),
        "y": np.array([4.0, 5.0, 6.0]),
        "A": np.arange(9.0).reshape(3, 3) + 1,
        "B": np.eye(3)[::-1].copy(),
        "i": np.array([0, 2, 1]),
        "c": np.array([True, False, True]),
        "n": 3,
        "X": rng.random((4, 4, 2, 3)),
        "X4": rng.random((4, 4, 8, 3)),
        "Y": rng.random((4, 2, 5)),
        "targets": rng.random((4, 2, 5)),
        "labels": rng.integers(0, 4, (1, 2, 5)),
        "weights": rng.random((3, 3, 2, 5)),
        "weights_t": rng.random((3, 3, 5, 2)),
        "bias": np.zeros(5),
        **{f"A_{k}": rng.random((4, 4)) for k in "qkvo"},
        **{f"b_{k}": rng.random(4) for k in "qkvo"},
    }


# The order of dimensions in PyTorch.
FORMATS = {"X": "SSCB", "X4": "SSCB", "Y": "CBT", "targets": "CBT"}
ORDERS = {
    "SSCB": (3, 2, 0, 1),
    "CBT": (1, 0, 2),
    "CB": (1, 0),
    "SSCU": (3, 2, 0, 1),
    "UCB": (2, 1, 0),
}
VALUES = {"weights": (3, 2, 0, 1), "weights_t": (3, 2, 0, 1)}


def tensor(name: str, value: Any) -> Any:
    if name == "labels":
        return torch.tensor(value[0])
    if isinstance(value, np.ndarray):
        order = ORDERS.get(FORMATS.get(name, ""), VALUES.get(name))
        return torch.tensor(np.ascontiguousarray(value.transpose(order) if order else value))
    return value


def plain(value: Any) -> list[Any]:
    """Return the arrays of a result, in PyTorch's order of dimensions."""
    if isinstance(value, tuple | list) and not hasattr(value, "numpy"):
        return [array for v in value for array in plain(v)]
    if dl.isdlarray(value):
        array = np.asarray(dl.extractdata(value))
        return [array.transpose(ORDERS[dl.dims(value)]) if dl.dims(value) in ORDERS else array]
    if isinstance(value, torch.Tensor):
        value = value.detach().resolve_conj().numpy()
    return [np.asarray(value)]


def refused(found: Any) -> bool:
    return isinstance(found, list) and isinstance(found[0], str)


def like(found: Any, expected: Any) -> bool:
    if refused(found):
        return False
    pairs = list(zip(plain(found), plain(expected), strict=False))
    return len(plain(found)) == len(plain(expected)) and all(
        a.shape == b.shape and np.allclose(a, b, rtol=1e-6, equal_nan=True) for a, b in pairs
    )


def evaluated(text: str, names: dict[str, Any]) -> Any:
    arrays = {k: dl.dlarray(names[k], FORMATS.get(k)) for k in ("x", "y", "A", "B", *FORMATS)}
    public = {name: getattr(dl, name) for name in dl.__all__}
    try:
        return eval(text, public | {"np": np, "dl": dl, **names, **arrays})
    except (dl.DlgradientError, ValueError, IndexError, TypeError) as error:  # for other arguments
        return [str(error)]


def written(space: str, name: str, given: str) -> list[tuple[str, bool]]:
    """Return the expressions on the page, and whether one is said to be for some arguments only."""
    answer = ANSWER(space.replace("F", "torch.nn.functional"), name).text
    link = re.search(r"~dlgradient\.(\w+)`", answer)
    if link:
        return [(f"dl.{link[1]}({given})", False)]
    return [(text, bool(when)) for text, when in re.findall(r"`([^`]+)`( \()?", answer)]


def of_torch(function: str, given: str, names: dict[str, Any]) -> Any:
    tensors = {name: tensor(name, value) for name, value in names.items()}
    expected = eval(f"{function}({given})", tensors | {"torch": torch, "F": F, "np": np})
    if function.endswith("scaled_dot_product_attention"):  # time before channels there
        return expected.mT
    if function.endswith("multi_head_attention_forward"):  # and before the batch, with weights
        return expected[0].permute(1, 2, 0)
    return expected


def of_jax(function: str, given: str, names: dict[str, Any]) -> Any:
    with jax.enable_x64(True):
        arrays = {k: jnp.asarray(v) if isinstance(v, np.ndarray) else v for k, v in names.items()}
        return np.asarray(eval(f"{function}({given})", arrays | {"jax": jax}))


ROWS = [*((of_torch, *row) for row in calls(TORCH)), *((of_jax, *row) for row in calls(JAX))]


@pytest.mark.parametrize(("library", "function", "given", "others"), ROWS)
def test_an_expression_has_the_value_of_the_other_function(
    library: Callable[..., Any], function: str, given: str, others: str
) -> None:
    space, _, name = function.rpartition(".")
    names = scope()
    names |= eval(f"dict({others})", names | {"np": np})
    expected = library(function, given, names)
    found = {text: evaluated(text, names) for text, _ in written(space, name, given)}
    assert any(like(value, expected) for value in found.values()), (found, expected)


# Vectors are not all that a reader passes. An expression that is not said to be for some arguments
# has the value of the other function for those of any shape that both take.
SHAPES = [(2, 3), (3, 3), (2, 3, 3)]
DEFAULT = [row[:3] for row in ROWS if not row[3]]


def attempt(function: Callable[..., Any], *args: Any) -> Any:
    """Return a result, or None where the arguments are refused."""
    try:
        return function(*args)
    except Exception:  # noqa: BLE001 - each library has errors of its own
        return None


@pytest.mark.parametrize(("library", "function", "given"), DEFAULT)
def test_an_expression_is_right_for_other_shapes_or_names_its_arguments(
    library: Callable[..., Any], function: str, given: str
) -> None:
    space, _, name = function.rpartition(".")
    rng = np.random.default_rng(2)
    for shape in SHAPES:
        names = scope() | {k: rng.random(shape) + 0.5 for k in "xyAB"}
        expected = attempt(library, function, given, names)
        if expected is not None:
            found = {row: evaluated(row[0], names) for row in written(space, name, given)}
            right = {row: like(v, expected) for row, v in found.items() if not refused(v)}
            assert any(right.values()) or all(when for _, when in right), (shape, right)
