"""Products of matrices, sums of products, and attention."""

from __future__ import annotations

import string
from typing import Any

import numpy as np

from dlgradient.engine.array import dlarray
from dlgradient.network.onnx.reading import Node
from dlgradient.network.onnx.registry import operator
from dlgradient.network.onnx.values import raw
from dlgradient.nn.attention.attention import attention
from dlgradient.nn.attention.positions import rotated
from dlgradient.ops.join import concat
from dlgradient.ops.linalg import matmul
from dlgradient.ops.permute import permute_dims
from dlgradient.ops.shape import reshape

__all__: list[str] = []

SCORES = 3  # the mode in which the products are what the softmax returns


@operator("MatMul", learned="weights_left weights")
def product(weights_left: Any, weights: Any) -> Any:
    """Return a product of matrices."""
    return matmul(weights_left, weights)


@operator("Gemm", learned="weights_left weights bias")
def general_product(
    weights_left: Any,
    weights: Any,
    bias: Any = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Any:
    """Return alpha x y + beta z."""
    y = matmul(weights_left.T if transA else weights_left, weights.T if transB else weights)
    y = y if alpha == 1 else alpha * y
    if bias is None or beta == 0:
        return y
    return y + (bias if beta == 1 else beta * bias)


@operator("Det")
def determinant(x: Any) -> Any:
    """Return the determinant of matrices."""
    return np.linalg.det(x)


@operator("Einsum")
def sum_of_products(*operands: Any, equation: str) -> Any:
    """Return a sum over the labels of an equation."""
    letters = "".join(c for c in equation if c in string.ascii_letters + ".,->")
    arrays = [x if type(x) is dlarray else dlarray(x) for x in operands]
    return np.einsum(letters, *arrays)


def _joined(x: Any) -> Any:
    """Return heads that lie in front, side by side as channels: batch, steps, channels."""
    batch, heads, steps, size = x.shape
    return reshape(permute_dims(x, (0, 2, 1, 3)), (batch, steps, heads * size))


def _divided(x: Any, heads: int) -> Any:
    batch, steps, channels = x.shape
    parts = reshape(x, (batch, steps, heads, channels // heads))
    return permute_dims(parts, (0, 2, 1, 3))


def problem(node: Node) -> str:
    """Return which option of an attention is not supported; '' if all are."""
    mode = node.attributes.get("qk_matmul_output_mode", 0)
    wanted = len(node.outputs) > 3 and node.outputs[3]
    return f"its output 4 with qk_matmul_output_mode={mode}" if wanted and mode != SCORES else ""


@operator("Attention", problem=problem)
def attend(  # noqa: PLR0913 - the operands and attributes of the standard
    q: Any,
    k: Any,
    v: Any,
    mask: Any = None,
    past_k: Any = None,
    past_v: Any = None,
    lengths: Any = None,
    *,
    is_causal: int = 0,
    kv_num_heads: int = 0,
    left_window_size: int = -1,
    q_num_heads: int = 0,
    qk_matmul_output_mode: int = 0,
    right_window_size: int = -1,
    scale: float | None = None,
    softcap: float = 0.0,
    softmax_precision: int = 1,
) -> Any:
    """Return attention; with the keys and values there are then, and the scores."""
    del qk_matmul_output_mode, softmax_precision
    layered = q.ndim == 4
    heads = q.shape[1] if layered else q_num_heads
    shared = k.shape[1] if layered else kv_num_heads
    q, k, v = (_joined(x) if layered else x for x in (q, k, v))
    past = 0
    if past_k is not None:
        past = past_k.shape[2]
        k, v = (concat([_joined(p), x], axis=1) for p, x in ((past_k, k), (past_v, v)))
    windows = (is_causal, left_window_size, right_window_size)
    allowed = _allowed(windows, q.shape[1], k.shape[1], past, lengths)
    options: dict[str, Any] = {}
    if mask is not None:
        # What a mask does not reach to is not attended to.
        missing = [(0, 0)] * (mask.ndim - 1) + [(0, k.shape[1] - mask.shape[-1])]
        if mask.dtype == bool:
            allowed = allowed & np.pad(mask, missing)
        else:
            options["bias"] = np.pad(mask, missing, constant_values=-np.inf)
    y, scores = attention(
        q,
        k,
        v,
        heads,
        num_key_value_heads=shared,
        scale="auto" if scale is None else scale,
        softcap=softcap,
        data_format="BTC",
        return_scores=True,
        attention_mask=allowed.T,  # keys, queries, heads, batch
        **options,
    )
    y = _divided(y, heads) if layered else y
    return y, _divided(k, shared), _divided(v, shared), scores


def _allowed(
    windows: tuple[int, int, int], queries: int, keys: int, past: int, lengths: Any
) -> Any:
    """Return what may be attended to: batch, one, queries, keys."""
    causal, left, right = windows
    first = np.array([past]) if lengths is None else raw(lengths) - queries
    i = np.arange(queries)[:, None] + first[:, None, None, None]
    j = np.arange(keys)
    mask = np.ones((1, 1, queries, keys), bool)
    if causal:
        mask = mask & (j <= i)
    if left >= 0:
        mask = mask & (i - j <= left)
    if right >= 0:
        mask = mask & (j - i <= right)
    if lengths is not None:
        mask = mask & (j < raw(lengths)[:, None, None, None])
    return mask


@operator("RotaryEmbedding")
def rotary(
    x: Any,
    cosines: Any,
    sines: Any,
    positions: Any = None,
    *,
    interleaved: int = 0,
    num_heads: int = 0,
    rotary_embedding_dim: int = 0,
) -> Any:
    """Return the channels of each head turned by angles of its step."""
    del rotary_embedding_dim  # the tables have that many channels
    if positions is not None:
        cosines, sines = (a[raw(positions)] for a in (cosines, sines))
    heads = x.shape[1] if x.ndim == 4 else num_heads
    y = rotated(_joined(x) if x.ndim == 4 else x, cosines, sines, heads, bool(interleaved))
    return _divided(y, heads) if x.ndim == 4 else y
