"""What the tests of the table share: declaring an operation for one test only."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dlgradient.core.calls import FUNCTIONS
from dlgradient.rules import DERIVED, OPS


class Declared:
    """Declares operations, and takes them out of the tables again."""

    def __init__(self) -> None:
        self.before = [(table, dict(table)) for table in (OPS, DERIVED, FUNCTIONS)]

    def __call__(self, declarer: Callable[..., Any], function: Callable[..., Any]) -> Any:
        return declarer(function)

    def undo(self) -> None:
        for table, entries in self.before:
            table.clear()
            table.update(entries)


@pytest.fixture
def declared() -> Iterator[Declared]:
    """Return a function that declares an operation until the end of the test."""
    declared = Declared()
    yield declared
    declared.undo()
