"""Two arrays of one shape: predictions and targets, an image and its reference."""

from __future__ import annotations

from dlgradient.core.calls import unlabelled
from dlgradient.core.types import Operand, Value
from dlgradient.errors import FormatClashError, ShapeMismatchError
from dlgradient.nn.shared.arguments import as_array, described, rearranged

__all__ = ["partner"]


def partner(function: str, y: Value, name: str, given: Operand) -> Value:
    """Return an array of the labels and sizes of `y`, brought to its order and unlabelled.

    Integers take the dtype of `y`: one-hot integers do not make single precision double.

    Parameters
    ----------
    function : str
        Name for messages.
    y : dlarray
        Predictions, with a format.
    name : str
        What the other array is.
    given : dlarray or array_like
        Without a format it has the order of `y`.

    Raises
    ------
    FormatClashError, ShapeMismatchError
        If labels or sizes differ: nothing is broadcast.

    Examples
    --------
    >>> import dlgradient as dl
    >>> y = dl.dlarray([[1.0, 2.0, 3.0]], "CB")
    >>> partner("mse", y, "targets", dl.dlarray([[0], [1], [2]], "BC")).tolist()
    [[0.0, 1.0, 2.0]]
    """
    t = as_array(function, name, given, y)
    both = f"the predictions have {described(y)}, {name} {described(t)}"
    classes = "; for indices of classes write indexcrossentropy" * (
        function == "crossentropy" and t.ndim == y.ndim - 1
    )
    if t._format is not None:
        fmt = y._format or ""
        if sorted(t._format) != sorted(fmt):
            raise FormatClashError(
                f"{function}: {both}; they must have the same labels, in any order{classes}"
            )
        t = rearranged(t, t._format, fmt)
    if t.shape != y.shape:
        raise ShapeMismatchError(
            f"{function}: {both}; they must have the same sizes: {name} are never broadcast"
            f"{classes}"
        )
    return unlabelled(t)
