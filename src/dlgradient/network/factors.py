"""Factors of the learn rate and of the L2 regularisation, which layers have for each learnable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.types import NonNegative
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.layers.layer import Layer
from dlgradient.layers.nested import held_networks, prefix_of
from dlgradient.network.graph import Graph
from dlgradient.network.plan import Plan
from dlgradient.network.table import Columns, ParameterTable

__all__ = ["Factors"]


class Factors:
    """The methods of networks that read and set factors."""

    _graph: Graph
    _plan: Plan | None
    _learnables: ParameterTable

    def get_layer(self, name: str) -> Layer:
        """Return a layer."""
        raise NotImplementedError

    def with_all_options(self, changes: Mapping[str, Mapping[str, Any]]) -> Self:
        """Return a network in which layers have other options, and the same learnables."""
        raise NotImplementedError

    def learn_rate_factors(self) -> dict[str, float]:
        """Return the factor of the learn rate of each learnable.

        Examples
        --------
        >>> fc = dl.layers.FullyConnected(2, bias_learn_rate_factor=2.0)
        >>> dl.dlnetwork([dl.layers.FeatureInput(4), fc]).learn_rate_factors()
        {'fc/weights': 1.0, 'fc/bias': 2.0}
        """
        return self._factors("learn_rate")

    def trainable(self) -> ParameterTable:
        """Return the learnables that are not frozen: the factor of their learn rate is not 0.

        In a loop of your own, trace this table instead of the network. Then nothing is computed or
        kept for the derivative of what is frozen.

        See Also
        --------
        with_trainable : a network with other values of these

        Examples
        --------
        >>> dense = [dl.layers.FullyConnected(size, name=f"fc{size}") for size in (3, 2)]
        >>> net = dl.dlnetwork([dl.layers.FeatureInput(4), *dense]).set_learn_rate_factor("fc3", 0)
        >>> def model_loss(free, x):
        ...     y, _ = net.with_trainable(free).forward(x)
        ...     return dl.dlgradient((y**2).mean(), free)
        >>> gradients = dl.dlfeval(model_loss, net.trainable(), np.ones((5, 4)))
        >>> list(gradients)
        ['fc2/weights', 'fc2/bias']
        """
        factors, table = self.learn_rate_factors(), self._learnables
        free = [key for key in table if factors[key]]
        arrays = [table[key] for key in free]
        if self._plan is None:
            return ParameterTable.of(Columns(free, arrays), arrays)
        if self._plan.free is None:  # an update needs the columns of the one before
            self._plan.free = Columns(free, arrays)
        return ParameterTable.of(self._plan.free, arrays)

    def with_trainable(self, values: Mapping[str, Any]) -> Self:
        """Return a network with other values of some learnables.

        Parameters
        ----------
        values : mapping
            Arrays by their paths, such as a table of `trainable`. They may be traced.

        Raises
        ------
        InvalidArgumentError, ShapeMismatchError
            If the network has no such learnable, or one of another shape.
        """
        table = self._learnables
        arrays = list(table.arrays())
        for key, value in values.items():
            i = table.columns.index.get(key)
            if i is None:
                raise InvalidArgumentError(
                    f"with_trainable: the network has no learnable {key!r}; it has "
                    f"{', '.join(table)}"
                )
            if np.shape(value) != arrays[i].shape:
                raise ShapeMismatchError(
                    f"with_trainable: {key} has shape {arrays[i].shape}, the new value has shape "
                    f"{np.shape(value)}"
                )
            arrays[i] = value
        return self.with_learnables(table.with_arrays(arrays))

    def with_learnables(self, table: ParameterTable) -> Self:
        """Return a network with other values of its learnables."""
        raise NotImplementedError

    def l2_factors(self) -> dict[str, float]:
        """Return the factor of the L2 regularisation of each learnable."""
        return self._factors("l2")

    def _factors(self, kind: str) -> dict[str, float]:
        known = self._plan.factors if self._plan else {}
        if kind not in known:  # an update asks at every step
            found = {
                key: layer._option(p, f"{kind}_factor", 1.0) for key, layer, p in self._paths()
            }
            known[kind] = {key: found[key] for key in self._learnables or found}
        return dict(known[kind])

    def _paths(self) -> Iterator[tuple[str, Layer, str]]:
        """Yield path, layer and attribute of each learnable."""
        for name, layer in self._graph.layers.items():
            nets = dict(held_networks(layer))
            for attribute in layer.learnables:
                if attribute in nets:
                    prefix = f"{name}/{prefix_of(layer, attribute)}"
                    yield from ((prefix + key, x, p) for key, x, p in nets[attribute]._paths())
                else:
                    yield f"{name}/{attribute}", layer, attribute

    @checked
    def set_learn_rate_factor(self, names: str | Iterable[str], factor: NonNegative) -> Self:
        """Return a network in which some learnables have another factor of the learn rate.

        With the factor zero, updates leave them as they are: they are frozen.

        Parameters
        ----------
        names : str or sequence of str
            Paths of learnables, such as "fc/weights"; or of layers, for all that is in them.
        factor : float

        Examples
        --------
        >>> net = dl.dlnetwork(
        ...     [
        ...         dl.layers.FeatureInput(4),
        ...         dl.layers.FullyConnected(3, name="hidden"),
        ...         dl.layers.FullyConnected(2, name="head"),
        ...     ]
        ... )
        >>> net = net.set_learn_rate_factor("hidden", 0)
        >>> net.learn_rate_factors()["hidden/weights"]
        0.0

        Source: MATLAB ``setLearnRateFactor``.
        """
        return self._with_factors("learn_rate", names, factor)

    @checked
    def set_l2_factor(self, names: str | Iterable[str], factor: NonNegative) -> Self:
        """Return a network in which some learnables have another factor of the L2 regularisation.

        Source: MATLAB ``setL2Factor``.

        Parameters
        ----------
        names : str or sequence of str
            Paths of learnables, such as "fc/weights"; or of layers, for all that is in them.
        factor : float
        """
        return self._with_factors("l2", names, factor)

    def _with_factors(self, kind: str, names: str | Iterable[str], factor: float) -> Self:
        keys = [key for key, _, _ in self._paths()]
        changes: dict[str, dict[str, float]] = {}
        for name in [names] if isinstance(names, str) else names:
            chosen = [key for key in keys if key == name or key.startswith(f"{name}/")]
            if not chosen:
                self.get_layer(name)  # one without learnables is fine
            for key in chosen:
                layer, _, parameter = key.rpartition("/")
                changes.setdefault(layer, {})[f"{parameter}_{kind}_factor"] = float(factor)
        return self.with_all_options(changes)
