"""Factors of the learn rate and of the decay of weights, of the networks in any container."""

from __future__ import annotations

from typing import Any

from dlgradient.core import tree
from dlgradient.core.members import LEAF_TYPES, kind_of, split
from dlgradient.train.containers import Container
from dlgradient.train.step import Factor

__all__ = ["factors_of", "factors_of_network"]


def factors_of(container: Container, *, decays: bool) -> dict[str, Factor]:
    """Return the factors of all networks in a container, by the paths of their learnables.

    Parameters
    ----------
    decays : bool
        Whether those of the L2 regularisation are wanted, too.
    """
    found: dict[str, Factor] = {}
    todo = [("", container)]
    while todo:
        path, item = todo.pop()
        if hasattr(type(item), "learn_rate_factors"):  # no answer for a name that is unknown
            factors = factors_of_network(item, decays=decays)
            found.update(zip(tree.paths(item, path), factors.values(), strict=True))
            continue
        parts = split(item)
        if parts is None or LEAF_TYPES.issuperset(map(type, parts[0])):
            continue
        inside = [path + suffix for suffix in kind_of(item).suffixes(item)]
        todo += zip(inside, parts[0], strict=True)
    return found


def factors_of_network(net: Any, *, decays: bool) -> dict[str, Factor]:
    """Return the factors of a network, by the names of its learnables in their order."""
    rates = net.learn_rate_factors()
    l2 = net.l2_factors() if decays else {}  # else arrays of different factors are one span
    return {key: Factor(rates[key], l2.get(key, 1.0)) for key in net.learnables}
