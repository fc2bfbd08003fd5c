"""The arrays of any container as one vector, for optimisers that know only vectors, and back."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from dlgradient.core import tree
from dlgradient.core.arguments import checked
from dlgradient.core.calls import open_node, wrap
from dlgradient.core.types import Operand, Value
from dlgradient.engine.array import dlarray, stripdims
from dlgradient.errors import IntegerVariableError, NotDlarrayError, ShapeMismatchError
from dlgradient.network.network import dlnetwork
from dlgradient.network.table import ParameterTable
from dlgradient.ops.casting import astype
from dlgradient.ops.complex import real
from dlgradient.ops.join import concat
from dlgradient.ops.shape import reshape
from dlgradient.train.containers import Container

__all__ = ["flatten", "unflatten"]


@checked
def flatten(container: Any) -> Value:
    """The elements of all arrays of a container, in one vector.

    Parameters
    ----------
    container : dlnetwork, table, or container of arrays
        Dlarrays and NumPy's arrays, of floating-point or complex numbers, at any depth.

    Returns
    -------
    dlarray
        A vector of the common dtype: array after array, the last dimension of each fastest. It is
        traced if one of them is.

    Raises
    ------
    NotDlarrayError, IntegerVariableError
        If a leaf is no array, or one of integers; the message has its path.

    See Also
    --------
    unflatten : a container of the elements of a vector
    dlupdate : any function applied to every leaf

    Examples
    --------
    >>> learnables = {"w": dl.dlarray([[1.0, 2.0]]), "b": dl.dlarray(3.0)}
    >>> dl.flatten(learnables)
    dlarray([1., 2., 3.])

    Source: JAX ``ravel_pytree``, PyTorch ``parameters_to_vector``.
    """
    table = _table_of(container)
    buffers = table.buffers() if table is not None else None
    if buffers is not None and len(buffers) == 1:
        return wrap(buffers[0].copy(), None)
    leaves, _ = _leaves("flatten", "container", container)
    if not leaves:
        return dlarray(np.zeros(0))
    dtype = np.result_type(*[x.dtype for x in leaves])
    rows = [reshape(stripdims(x) if type(x) is dlarray else x, (-1,)) for x in leaves]
    found = concat([x if x.dtype == dtype else astype(x, dtype) for x in rows])
    return found if type(found) is dlarray else dlarray(found)


@checked
def unflatten(vector: Operand, like: Any) -> Container:
    """A container of the elements of a vector, the inverse of `flatten`.

    Parameters
    ----------
    vector : dlarray or array
    like : container
        Structure, shapes, formats and dtypes of the result.

    Returns
    -------
    container
        As `like`, of dlarrays. They are traced if the vector is. Real arrays have the real parts of
        a complex vector.

    Raises
    ------
    ShapeMismatchError
        If the vector has not as many elements as `like`.

    See Also
    --------
    flatten : the elements of a container in one vector
    dlupdate : any function applied to every leaf

    Examples
    --------
    >>> like = {"w": dl.dlarray([[0.0, 0.0]]), "b": dl.dlarray(0.0)}
    >>> dl.unflatten([1.0, 2.0, 3.0], like)
    {'w': dlarray([[1., 2.]]), 'b': dlarray(3.)}

    Source: JAX ``ravel_pytree``, PyTorch ``vector_to_parameters``.
    """
    x = stripdims(vector) if type(vector) is dlarray else np.asarray(vector)
    leaves, rebuild = _leaves("unflatten", "like", like)
    sizes = [prod(leaf.shape) for leaf in leaves]
    if x.shape != (sum(sizes),):
        raise ShapeMismatchError(
            f"unflatten: vector has shape {x.shape}; like has {sum(sizes)} elements in "
            f"{len(leaves)} arrays"
        )
    table = _table_of(like)
    if table is not None and not (type(x) is dlarray and open_node(x) is not None):
        found = _of_buffer(np.asarray(x), table)
        if found is not None:
            return like.with_learnables(found) if type(like) is dlnetwork else found
    parts, start = [], 0
    for leaf, size in zip(leaves, sizes, strict=True):
        part: Value = reshape(x[start : start + size], leaf.shape)
        start += size
        if part.dtype.kind == "c" and leaf.dtype.kind == "f":
            part = real(part)  # as update functions do
        if part.dtype != leaf.dtype:
            part = astype(part, leaf.dtype)
        parts.append(dlarray(part, leaf._format if type(leaf) is dlarray else None))
    return rebuild(parts)


def _of_buffer(x: Any, table: ParameterTable) -> ParameterTable | None:
    """Return a table whose only buffer has the elements of a vector; None if it has several."""
    buffers = table.buffers()
    if buffers is None or len(buffers) != 1:
        return None
    buffer = np.array(x, buffers[0].dtype)  # SciPy goes on to write to its own
    buffer.flags.writeable = False
    return ParameterTable.of(table.columns, buffers=[buffer])


def _table_of(container: Any) -> ParameterTable | None:
    if type(container) is dlnetwork:
        return container.learnables
    return container if type(container) is ParameterTable else None


def _leaves(name: str, argument: str, container: Any) -> tuple[list[Any], Any]:
    """Return the arrays of a container, and what builds it again."""
    leaves, rebuild = tree.flatten(container)
    for i, leaf in enumerate(leaves):
        if hasattr(leaf, "dtype") and hasattr(leaf, "shape") and leaf.dtype.kind in "fc":
            continue
        where = tree.paths(container, argument)[i]
        if hasattr(leaf, "dtype") and hasattr(leaf, "shape"):
            raise IntegerVariableError(
                f"{name}: {where} of shape {leaf.shape} has dtype {leaf.dtype}; it must be of "
                "floating-point or complex numbers, as of astype(x, float64)"
            )
        raise NotDlarrayError(
            f"{name}: {where} must be a dlarray or an array, not {type(leaf).__name__}; keep "
            "other values in another container"
        )
    return leaves, rebuild
