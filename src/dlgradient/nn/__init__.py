"""Deep-learning functions, declared like every other operation.

They take dlarrays with a format, in any order of dimensions, or unlabelled arrays with
``data_format=``.
"""

from __future__ import annotations

from dlgradient.errors import located


def __getattr__(name: str) -> object:
    """Answer the name of a module of PyTorch, which has them under ``nn``."""
    if name[0].isupper():  # Python asks for the names of this folder's modules too
        from dlgradient.interop.unknown import missing

        missing(name)
    text = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(located(text, "supported/other-names.html"), name=name)
