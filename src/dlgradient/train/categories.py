"""Categorical data: texts, and categories of pandas, as the numbers of classes or one-hot vectors.

Categories of pandas have their order. Texts are classes in the order of the alphabet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from dlgradient.core.types import Array
from dlgradient.errors import InvalidArgumentError

__all__ = ["Encoder", "Encoding"]

Encoding: TypeAlias = Literal["integer", "one-hot"]
Names: TypeAlias = list[Any]
# What stands for a label that is missing, next to texts.
_MISSING = {"NoneType", "NAType", "NaTType"}


def is_categorical(source: Any) -> bool:
    """Return whether data are texts, or categories of pandas."""
    if _categories(source) is not None:
        return True
    if isinstance(source, list):
        return bool(source) and isinstance(source[0], str)
    dtype = getattr(source, "dtype", None)
    if dtype is None or not (isinstance(source, np.ndarray) or hasattr(source, "iloc")):
        return False
    if isinstance(dtype, np.dtype) and dtype.kind not in "OUS":
        return False
    values = np.asarray(source, object).ravel().tolist()
    return any(isinstance(v, str | bytes) for v in values) and all(map(_is_text, values))


def _is_text(value: Any) -> bool:
    missing = type(value).__name__ in _MISSING or (isinstance(value, float) and math.isnan(value))
    return isinstance(value, str | bytes) or missing


def _categories(source: Any) -> Names | None:
    found = getattr(getattr(source, "dtype", None), "categories", None)
    return None if found is None else list(found)


def _column(source: Any) -> Any:
    """Return the only column of a data frame or a matrix; anything else as it is."""
    if getattr(source, "ndim", 0) == 2 and source.shape[1] == 1:
        return source.iloc[:, 0] if hasattr(source, "iloc") else source[:, 0]
    return source


def _codes(what: str, source: Any, names: Names) -> Array:
    """Return the number of the class of each label."""
    index = {name: i for i, name in enumerate(names)}
    values = np.asarray(source, object)
    found = np.array([index.get(v, -1) for v in values.ravel().tolist()], int)
    found = found.reshape(values.shape)
    if (found < 0).any():
        i = np.argwhere(found < 0)[0]
        where = ", ".join(map(str, i.tolist()))
        raise InvalidArgumentError(
            f"{what}[{where}] is {values[tuple(i)]!r}, and the classes are {_shown(names)}; leave "
            "it out, or give a Categorical of pandas that has all classes"
        )
    return found


def _shown(names: Sequence[Any]) -> str:
    more = ", ..." if len(names) > 10 else ""
    return ", ".join(map(repr, names[:10])) + more


def _encoded(what: str, source: Any, names: Names, encoding: str) -> Array:
    codes = _codes(what, source, names)
    if encoding == "integer":
        return codes
    if codes.ndim != 1:
        raise InvalidArgumentError(
            f"{what} have shape {codes.shape}, and one-hot vectors are made of one label for each "
            'observation; use the encoding "integer", or onehotencode'
        )
    return np.eye(len(names), dtype=np.float32)[codes]


class Encoder:
    """How categorical data become numbers: the first data decide which classes there are.

    Parameters
    ----------
    function : str
        For errors.
    inputs, targets : {"integer", "one-hot"}
    classes : sequence, optional
        The classes of the targets; by default those of the first data.

    Attributes
    ----------
    classes : dict
        Names by the number of the target.
    """

    def __init__(
        self,
        function: str,
        inputs: Encoding = "integer",
        targets: Encoding = "integer",
        classes: Sequence[Any] | None = None,
    ) -> None:
        self.function, self.for_inputs, self.for_targets = function, inputs, targets
        self.classes: dict[int, Names] = {} if classes is None else {0: list(classes)}
        self._columns: dict[tuple[int, int], Names] = {}

    @property
    def class_names(self) -> Any:
        """Names of the classes of the targets: a list, or one for each target; None for none."""
        if set(self.classes) <= {0}:
            return self.classes.get(0)
        return [self.classes.get(i) for i in range(max(self.classes) + 1)]

    def predictors(self, data: Any, what: str = "predictors") -> Any:
        """Return predictors as numbers; `what` is for errors."""
        return _each(data, lambda i, source: self._predictor(i, source, what))

    def labels(self, targets: Any, what: str = "targets") -> Any:
        """Return targets as numbers."""
        return _each(targets, lambda i, source: self._target(i, source, what))

    def _target(self, i: int, source: Any, what: str) -> Any:
        column = _column(source)
        if not is_categorical(column):
            return source
        names = self.classes.setdefault(i, _names(column))
        return _encoded(f"{self.function}: {what}", column, names, self.for_targets)

    def _predictor(self, i: int, source: Any, what: str) -> Any:
        if hasattr(source, "iloc") and np.ndim(source) == 2:
            columns = [source.iloc[:, j] for j in range(source.shape[1])]
            where = [f"{what}[{name!r}]" for name in source.columns]
        else:
            columns, where = [source], [what]
        if not any(map(is_categorical, columns)):
            return source
        found = [
            self._coded((i, j), column, f"{self.function}: {place}")
            for j, (column, place) in enumerate(zip(columns, where, strict=True))
        ]
        return np.concatenate(found, axis=1)

    def _coded(self, place: tuple[int, int], column: Any, what: str) -> Array:
        """Return a column of predictors as a matrix of numbers."""
        if not is_categorical(column):
            return np.asarray(column)[:, None]
        names = _categories(column)
        if names is None:
            raise InvalidArgumentError(
                f"{what} are texts; make them categories, which new data must have too: "
                "pandas.Categorical(x, categories), or x.astype('category')"
            )
        known = self._columns.setdefault(place, names)
        if known != names:
            raise InvalidArgumentError(
                f"{what} have the categories {_shown(names)}, and had {_shown(known)}; give both "
                "the same: x.astype(other.dtype)"
            )
        codes = _encoded(what, column, names, self.for_inputs)
        return codes[:, None] if codes.ndim == 1 else codes


def _each(data: Any, encode: Callable[[int, Any], Any]) -> Any:
    """Return one source, or each of a tuple, encoded."""
    if type(data) is tuple:
        return tuple([encode(i, source) for i, source in enumerate(data)])
    return encode(0, data)


def _names(source: Any) -> Names:
    """Return the classes of categorical data in order."""
    found = _categories(source)
    if found is not None:
        return found
    values = np.asarray(source, object).ravel().tolist()
    return sorted({v for v in values if isinstance(v, str | bytes)})
