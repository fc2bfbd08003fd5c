"""What a row measured, and whether it reaches its target."""

from __future__ import annotations

from dataclasses import dataclass, field

OURS = "dlgradient"
PEERS = ("torch", "jax", "jax.jit", "autograd", "numpy")


@dataclass
class Target:
    """One condition: the target, what was measured, and whether that meets it."""

    asked: str
    measured: str
    met: bool


@dataclass
class Detail:
    """Another table of a row."""

    title: str
    columns: list[str]
    rows: list[list[str]]


@dataclass
class Result:
    """Figures of one row: one number for each contestant, smaller is better."""

    name: str
    work: str
    unit: str
    figures: dict[str, float]
    targets: list[Target] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    details: list[Detail] = field(default_factory=list)

    @property
    def met(self) -> bool:
        """Whether every target is reached."""
        return all(target.met for target in self.targets)

    @property
    def best_peer(self) -> str | None:
        """Name of the peer with the least figure; None if only we take part."""
        peers = [p for p in PEERS if p in self.figures]
        return min(peers, key=self.figures.__getitem__) if peers else None

    def ratio(self, peer: str) -> float:
        """Return our figure over that of a peer."""
        return self.figures[OURS] / self.figures[peer]

    def ask(self, peer: str, factor: float, text: str) -> None:
        """Add the target that our figure is at most `factor` times the peer's."""
        ratio = self.ratio(peer)
        self.targets.append(Target(text, f"{ratio:.2f}x {peer}", ratio <= factor))

    def shown(self, name: str) -> str:
        """Return a contestant's figure with its unit, '-' if it does not take part."""
        if name not in self.figures:
            return "-"
        return with_unit(self.figures[name], self.unit)


def with_unit(value: float, unit: str) -> str:
    """Return a figure as text; seconds get the fitting prefix."""
    if unit != "s":
        return f"{value:.3g} {unit}" if abs(value) < 1000 else f"{value:,.0f} {unit}"
    for factor, name in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
        if abs(value) * factor >= 1:
            return f"{value * factor:.3g} {name}" if value * factor < 1000 else f"{value:,.0f} s"
    return f"{value * 1e9:.0f} ns"
