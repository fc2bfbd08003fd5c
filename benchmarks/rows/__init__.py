"""The rows of the benchmark, by name; each is a function of a `Context` that returns a `Result`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.result import Result

if TYPE_CHECKING:
    from harness.network import Network


@dataclass
class Context:
    """How a row is to run."""

    quick: bool
    report: Callable[[float], None]

    def seconds(self, full: float) -> float:
        """Return the time budget of a row that takes `full` seconds in a whole run."""
        return full / 8 if self.quick else full


Row = Callable[[Context], Result]


def networks() -> dict[str, Network]:
    """Return the rows of networks and layers; of these also the memory is measured."""
    from rows import layers, pinn, sequence, vision

    rows = (
        vision.CNN,
        sequence.LSTM,
        sequence.TRANSFORMER,
        pinn.PINN,
        vision.GAN,
        sequence.CTC,
        layers.EMBED,
        layers.POOL,
        layers.NORMS,
    )
    return {row.name: row for row in rows}


def all_rows() -> dict[str, Row]:
    """Return the rows in the order of the table."""
    from rows import deep, elementwise, imports, loop, memory, mlp, overhead, scalar

    return {
        "rosenbrock": scalar.rosenbrock,
        "chain": scalar.chain,
        "small-mlp": mlp.small,
        "mlp-step": mlp.step,
        "elementwise": elementwise.run,
        "indexed-loop": loop.run,
        "deep-chain": deep.run,
        "overhead": overhead.run,
        "memory": memory.run,
        "import": imports.run,
        **networks(),
    }
