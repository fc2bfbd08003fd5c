"""The subject of the checks: an entry of the table of operations, and its calls."""

from __future__ import annotations

import inspect
from typing import Any

from dlgradient.core.declaration import Declaration
from dlgradient.rules import DERIVED, OPS, Op
from dlgradient.testing.checks import Bound, bind
from dlgradient.testing.samples import Case, sample_cases

__all__ = ["Subject"]


class Subject:
    """An entry of the table, or a function that could be one.

    Attributes
    ----------
    name : str
    call : callable
        What users call.
    op : Op or None
        The operation; None for a composition of operations.
    """

    def __init__(self, declaration: Any) -> None:
        if isinstance(declaration, str):
            declaration = OPS.get(declaration) or DERIVED[declaration]
        found = getattr(declaration, "op", declaration)
        self.op = found if isinstance(found, Op) else None
        if self.op is not None:
            found = self.op.declaration
        elif callable(found):
            found = DERIVED[found.__name__]
        self.declaration: Declaration = found
        self.name = self.declaration.name
        self.call = self.op.call if self.op else self.declaration.function

    @property
    def operands(self) -> tuple[str, ...]:
        """Return the names of the arguments by position, operands first."""
        return tuple(inspect.signature(self.call).parameters)

    @property
    def cases(self) -> list[Case]:
        """Return the samples of the operation."""
        return sample_cases(self.declaration)

    def names(self, case: Case) -> list[str] | None:
        """Return the names of the operands, for messages."""
        if self.op is None:
            return None
        count = len(case.args[0]) if self.op.variadic else len(case.args)
        return [self.op.operand_name(i) for i in range(count)]

    def bind(self, case: Case) -> Bound:
        """Return the call of a case, as a function of its variables."""
        return bind(self.call, case.args, case.params, self.names(case))

    def title(self, case: Case, index: int) -> str:
        """Return the name of a sample in messages."""
        params = ", ".join(f"{k}={v!r}" for k, v in case.params.items())
        return f"{self.name}, sample {index}" + (f" ({params})" if params else "")
