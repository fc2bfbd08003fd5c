"""Where arrays are. All are in the memory of the CPU, so moving them does nothing.

With these functions, lines of MATLAB programs that ask for a GPU need no change.
"""

from __future__ import annotations

from dlgradient.core.arguments import checked
from dlgradient.core.types import Operand, Value

__all__ = ["can_use_gpu", "gather", "gpuarray"]


@checked
def can_use_gpu() -> bool:
    """Return whether there is a GPU that can be used: False.

    See Also
    --------
    gpuarray : the array itself
    gather : the array itself

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.can_use_gpu()
    False

    Source: MATLAB ``canUseGPU``.
    """
    return False


@checked
def gpuarray(x: Operand, /) -> Value:
    """Return the array itself, which stays in the memory of the CPU.

    Parameters
    ----------
    x : dlarray, array or container

    Returns
    -------
    dlarray, array or container
        x.

    See Also
    --------
    can_use_gpu : whether there is a GPU
    gather : the array itself
    dlarray : make a dlarray

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.gpuarray(dl.dlarray([1.0, 2.0]))
    dlarray([1., 2.])

    Source: MATLAB ``gpuArray``.
    """
    return x


@checked
def gather(x: Operand, /) -> Value:
    """Return the array itself, which is in the memory of the CPU already.

    PyTorch's function of this name is `take_along_axis`.

    Parameters
    ----------
    x : dlarray, array or container

    Returns
    -------
    dlarray, array or container
        x.

    See Also
    --------
    gpuarray : the array itself
    extractdata : the values of a dlarray as a NumPy array

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.gather(dl.dlarray([1.0, 2.0]))
    dlarray([1., 2.])

    Source: MATLAB ``gather``.
    """
    return x
