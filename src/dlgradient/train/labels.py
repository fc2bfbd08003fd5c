"""Labels from the scores of a classifier."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.types import Array, Operand
from dlgradient.engine.array import dlarray
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.nn.linear.embed import along_classes, names_of

__all__ = ["scores2label"]


@checked
def scores2label(scores: Operand, class_names: Any, /, axis: int | None = None) -> Any:
    """Labels of the classes with the largest scores.

    Parameters
    ----------
    scores : dlarray or array_like
        Scores or probabilities, as `minibatchpredict` returns them. Of a list of arrays with
        different shapes, as those of sequences, a list of labels is returned.
    class_names : sequence, pandas.Categorical or pandas.CategoricalDtype
        The classes in order.
    axis : int, optional
        Dimension of the classes; by default 'C', or the last one without a format.

    Returns
    -------
    numpy.ndarray, pandas.Categorical, or list
        Elements of `class_names`, without the dimension of the classes; a Categorical if its
        categories are given. There an observation with a score that is NaN has no label.

    Raises
    ------
    ShapeMismatchError
        If the number of classes is not the size of the dimension.
    InvalidArgumentError
        If a score is NaN, so that no class has the largest, and there is no Categorical to say so.

    See Also
    --------
    minibatchpredict : scores of data
    onehotdecode : the same for arrays of zeros and ones
    metrics.Accuracy : the share of right labels

    Examples
    --------
    >>> scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]])
    >>> dl.scores2label(scores, ["cat", "dog", "fish"]).tolist()
    ['dog', 'cat']

    Source: MATLAB ``scores2label``.
    """
    if _are_unequal_arrays(scores):
        return [scores2label(s, class_names, axis) for s in scores]
    # Categorical, index and series have a dtype, which may also be given itself.
    dtype = getattr(class_names, "dtype", class_names)
    categories = getattr(dtype, "categories", None)
    names = names_of("scores2label", class_names if categories is None else categories)
    values, axis = along_classes("scores2label", "scores", scores, axis, names.size)
    if values.dtype.kind not in "biuf":
        raise InvalidArgumentError(
            f"scores2label: scores must be real numbers, not an array of {values.dtype}"
        )
    places = np.argmax(values, axis=axis)
    strange = np.isnan(values).any(axis=axis)
    if categories is not None:
        return _categorical(np.where(strange, -1, places), dtype)
    if strange.any():
        first = tuple(map(int, np.argwhere(strange)[0]))
        raise InvalidArgumentError(
            f"scores2label: scores of shape {values.shape} are NaN at the observation {first}, so "
            "that no class has the largest"
        )
    labels: Array = names[places]
    return labels


def _are_unequal_arrays(scores: Any) -> bool:
    """Return whether scores are a list of arrays that differ in shape."""
    if not isinstance(scores, list):
        return False
    kinds = np.ndarray | dlarray
    return all(isinstance(s, kinds) for s in scores) and len({s.shape for s in scores}) > 1


def _categorical(codes: Array, dtype: Any) -> Any:
    import pandas as pd

    if codes.ndim != 1:
        raise ShapeMismatchError(
            f"scores2label: labels of shape {codes.shape} cannot be a Categorical, which has one "
            "dimension; give class_names as a list"
        )
    return pd.Categorical.from_codes(codes, dtype=dtype)
