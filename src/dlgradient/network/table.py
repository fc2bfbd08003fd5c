"""Tables of learnables and of state: arrays by ``"layer/parameter"``.

The arrays of one dtype are parts of one vector, the buffer. An update function works on buffers,
where there are some; a call of the network on arrays. Each is made from the other when it is asked
for: arrays are views of a buffer, and a buffer is a copy of arrays. No buffer is ever changed in
place, so tables may share them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar, TypeAlias, TypeVar

import numpy as np

from dlgradient.core.arguments import spelt
from dlgradient.core.attributes import AnswersByName
from dlgradient.core.calls import open_node, wrap
from dlgradient.core.members import Kind, Parts
from dlgradient.core.reading import raw as raw_of
from dlgradient.core.reading import read
from dlgradient.core.types import Array, Dtype, Shape
from dlgradient.engine.array import dlarray
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.program.structure import Identity, Looks, Vectors
from dlgradient.program.structure import Parts as ProgramParts

__all__ = ["ParameterTable"]

Key: TypeAlias = str | tuple[str, str]
_F = TypeVar("_F")
_OF_NUMPY = (np.ndarray, np.generic)


class Columns:
    """What tables of one network share: names, shapes, and places in the buffers.

    Attributes
    ----------
    keys : tuple of str
        ``"layer/parameter"``.
    shapes : tuple of tuple of int
    groups : tuple of tuple of int
        For each buffer, the numbers of the arrays in it.
    """

    def __init__(self, keys: Iterable[str], arrays: Iterable[Any]) -> None:
        arrays = list(arrays)
        self.keys = tuple(keys)
        self.index = {key: i for i, key in enumerate(self.keys)}
        self.shapes: tuple[Shape, ...] = tuple([a.shape for a in arrays])
        kinds: dict[Dtype, list[int]] = {}
        for i, array in enumerate(arrays):
            kinds.setdefault(array.dtype, []).append(i)
        self.groups = tuple([tuple(members) for members in kinds.values()])
        # Where each array of a group begins and ends in the buffer.
        self.places: list[tuple[int, int, int]] = [(0, 0, 0)] * len(arrays)
        for number, members in enumerate(self.groups):
            ends = np.cumsum([0, *[arrays[i].size for i in members]]).tolist()
            for i, (start, stop) in zip(members, pairwise(ends), strict=True):
                self.places[i] = (number, start, stop)
        self._pieces: dict[int, tuple[Array, Array]] = {}

    def pieces(self, group: int) -> tuple[Array, Array]:
        """Return for machine code where the arrays of a buffer begin, and their shapes.

        The first has the size of the buffer at its end; in the second, the number of dimensions is
        before each shape.
        """
        found = self._pieces.get(group)
        if found is None:
            members = self.groups[group]
            starts = [0, *[self.places[i][2] for i in members]]
            shapes = [n for i in members for n in (len(self.shapes[i]), *self.shapes[i])]
            found = self._pieces[group] = np.array(starts, np.int64), np.array(shapes, np.int64)
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pieces": {}}

    def spans(self, group: int, factors: Mapping[str, _F], usual: _F) -> list[tuple[_F, int, int]]:
        """Return the spans of a buffer whose arrays have the same factor."""
        spans: list[tuple[_F, int, int]] = []
        for i in self.groups[group]:
            _, start, stop = self.places[i]
            factor = factors.get(self.keys[i], usual)
            if spans and spans[-1][0] == factor:
                spans[-1] = (factor, spans[-1][1], stop)
            else:
                spans.append((factor, start, stop))
        return spans


class _Slots:
    """The attributes of a table, where they are set in a third of the time (row small-mlp)."""

    __slots__ = ("_arrays", "_buffers", "columns", "spare")

    columns: Columns
    _arrays: list[Any] | None
    _buffers: list[Array] | None
    # Of the state of an optimiser, for each group: vectors of tables before it, which may be dead.
    spare: list[list[Array]] | None


class ParameterTable(AnswersByName, _Slots, Mapping[str, dlarray]):
    """Arrays of a network by ``"layer/parameter"``, as learnables, gradients or state.

    It reads as a mapping, and prints as a table with the columns Layer, Parameter and Value. It is
    a container: `dlgradient`, `dlupdate` and the update functions take it.

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.FeatureInput(4), dl.layers.FullyConnected(2)])
    >>> list(net.learnables)
    ['fc/weights', 'fc/bias']
    >>> net.learnables["fc/bias"]
    dlarray([0., 0.], dtype=float32)
    """

    __slots__ = ()

    _page = "reference/networks.html"
    _elsewhere: ClassVar = {
        "Value": 'values(), or table["layer/parameter"]',
        "Layer": 'keys(), which are "layer/parameter"',
        "Parameter": 'keys(), which are "layer/parameter"',
        "Properties": "to_pandas()",
    }

    @spelt
    def __init__(self, data: Mapping[str, Any] | Any = ()) -> None:
        items = dict(_items(data))
        arrays = [value_of(value, key) for key, value in items.items()]
        self.columns = Columns(items, arrays)
        self._arrays = [wrap(a, None) for a in arrays]
        self._buffers = self.spare = None

    @classmethod
    def of(
        cls,
        columns: Columns,
        arrays: list[Any] | None = None,
        buffers: list[Array] | None = None,
    ) -> ParameterTable:
        """Return a table of arrays, or of buffers."""
        new: Any = _Slots()
        new.columns = columns
        new._arrays = arrays
        new._buffers = buffers
        new.spare = None
        new.__class__ = cls
        return new  # type: ignore[no-any-return]

    def with_arrays(self, arrays: list[Any]) -> ParameterTable:
        """Return a table of other arrays, or of what a function made of them.

        NumPy's become dlarrays, as of ``dlupdate(np.float64, net)``.
        """
        return _table_of(self.columns, arrays)

    # -- both forms ------------------------------------------------------------------------------

    def arrays(self) -> list[Any]:
        """Return the arrays, as dlarrays, in the order of the keys."""
        if self._arrays is None:
            self._arrays = [wrap(x, None) for x in self.raws()]
        return self._arrays

    def buffers(self, make: Callable[[int], Array] | None = None) -> list[Array] | None:
        """Return one vector for each dtype.

        None if an array is traced, has another shape than the columns say, or another dtype than
        those it would be with.
        If they are made now, `make` gives the memory for each.
        """
        if self._buffers is None:
            arrays: Any = self._arrays
            if any(open_node(a) is not None for a in arrays):
                return None
            raw = [np.asarray(read(a)) for a in arrays]
            if any(x.shape != shape for x, shape in zip(raw, self.columns.shapes, strict=True)):
                return None
            found = []
            for group, members in enumerate(self.columns.groups):
                dtypes = {raw[i].dtype for i in members}
                if len(dtypes) > 1:
                    return None
                out = None if make is None else make(group)
                if out is not None and out.dtype not in dtypes:
                    out = None
                found.append(np.concatenate([raw[i].reshape(-1) for i in members], out=out))
            for buffer in found:
                buffer.flags.writeable = False
            self._buffers = found
        return self._buffers

    def raws(self) -> list[Array]:
        """Return the values of the arrays, as parts of the vectors, of a table that has some."""
        vectors: Any = self._buffers
        columns = self.columns
        return [
            vectors[number][start:stop].reshape(shape)
            for (number, start, stop), shape in zip(columns.places, columns.shapes, strict=True)
        ]

    def pieces(self, group: int) -> list[Any] | None:
        """Return the arrays of one dtype, of which there is no vector; None if there is one."""
        if self._buffers is not None:
            return None
        arrays, groups = self.arrays(), self.columns.groups
        return arrays if len(groups) == 1 else [arrays[i] for i in groups[group]]

    # -- mapping ---------------------------------------------------------------------------------

    def __getitem__(self, key: Key) -> dlarray:
        return self.arrays()[self._number(key)]  # type: ignore[no-any-return]

    def __setitem__(self, key: Key, value: Any) -> None:
        i = self._number(key)
        old = self.arrays()[i]
        raw = value_of(value, str(key)).astype(old.dtype)
        if raw.shape != old.shape:
            raise ShapeMismatchError(
                f"{key} has shape {old.shape}, the new value has shape {raw.shape}"
            )
        arrays = list(self.arrays())
        arrays[i] = wrap(raw, None, old._format)
        self._arrays, self._buffers = arrays, None

    def _number(self, key: Key) -> int:
        name = key if isinstance(key, str) else "/".join(key)
        found = self.columns.index.get(name)
        if found is None:
            have = ", ".join(self.columns.keys) or "none"
            same = [key for key in self.columns.keys if key.lower() == name.lower()]
            fix = f"write {same[0]!r}; " if same else ""
            raise KeyError(f"no {name!r} in this table; {fix}it has: {have}")
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns.keys)

    def __len__(self) -> int:
        return len(self.columns.keys)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ParameterTable):
            return NotImplemented
        if self._is_empty() or other._is_empty():
            return (
                self._is_empty() and other._is_empty() and self.columns.keys == other.columns.keys
            )
        return self.columns.keys == other.columns.keys and all(
            np.array_equal(np.asarray(read(a)), np.asarray(read(b)))
            for a, b in zip(self.arrays(), other.arrays(), strict=True)
        )

    __hash__ = None  # type: ignore[assignment]

    def copy(self) -> ParameterTable:
        """Return a table of its own, which shares the data until one of them is assigned to."""
        arrays = None if self._arrays is None else list(self._arrays)
        return ParameterTable.of(self.columns, arrays, self._buffers)

    def _is_empty(self) -> bool:
        """Return whether there are no arrays, as of a network that a layer in a graph holds."""
        return self._arrays is None and self._buffers is None

    def __reduce__(self) -> tuple[Any, ...]:
        if self._is_empty():
            return ParameterTable.of, (self.columns,)
        return ParameterTable, ({k: np.asarray(read(a)) for k, a in self.items()},)

    # -- shown -----------------------------------------------------------------------------------

    def to_pandas(self) -> Any:
        """Return a DataFrame with the columns Layer, Parameter and Value.

        Examples
        --------
        >>> net = dl.dlnetwork([dl.layers.FeatureInput(4), dl.layers.FullyConnected(2)])
        >>> list(net.learnables.to_pandas()["Parameter"])
        ['weights', 'bias']
        """
        import pandas as pd

        rows = [(*key.rsplit("/", 1), value) for key, value in self.items()]
        return pd.DataFrame(
            {
                "Layer": [row[0] for row in rows],
                "Parameter": [row[1] for row in rows],
                "Value": pd.Series([row[2] for row in rows], dtype=object),
            }
        )

    def __repr__(self) -> str:
        rows = [("Layer", "Parameter", "Value")]
        for key, value in self.items():
            layer, _, parameter = key.rpartition("/")
            sizes = "×".join(map(str, value.shape)) or "1"
            rows.append((layer, parameter, f"{sizes} {value.dtype}"))
        widths = [max(len(row[i]) for row in rows) for i in range(2)]
        return "\n".join(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}" for a, b, c in rows)

    def _program_parts(self) -> ProgramParts:
        """Return what a recorded program must know of a table."""
        # What builds another table does not keep the arrays of this one.
        build = partial(_table_of, self.columns)
        return ProgramParts(Identity(self.columns), list(self.arrays()), build)

    def _program_looks(self) -> Looks:
        """Return how the entry of a program looks at a table."""
        build = partial(ParameterTable.of, self.columns)
        same = [("{}.columns", self.columns)]
        return Looks(same, "{}.arrays()", looks_at_vectors([("{}", self)]), build)

    @classmethod
    def _container_kind(cls) -> Kind:
        """Return how containers split a table: its arrays are the members."""
        return Kind(_split_table, lambda table: [f"[{key!r}]" for key in table])


def _table_of(columns: Columns, arrays: list[Any]) -> ParameterTable:
    wrapped = [  # most are dlarrays, in each step of training (row small-mlp)
        wrap(a, None) if type(a) is not dlarray and isinstance(a, _OF_NUMPY) else a for a in arrays
    ]
    return ParameterTable.of(columns, wrapped)


def _split_table(table: ParameterTable) -> Parts:
    return list(table.arrays()), table.with_arrays


def _items(data: Any) -> Iterable[tuple[str, Any]]:
    """Yield keys and values of a mapping, or of a DataFrame with the columns of a table."""
    if hasattr(data, "columns") and hasattr(data, "itertuples"):
        missing = [c for c in ("Layer", "Parameter", "Value") if c not in data.columns]
        if missing:
            raise InvalidArgumentError(
                f"a table of learnables needs the columns Layer, Parameter and Value; "
                f"{', '.join(missing)} is missing"
            )
        rows = zip(data["Layer"], data["Parameter"], data["Value"], strict=True)
        return [(f"{layer}/{parameter}", value) for layer, parameter, value in rows]
    return dict(data).items()


def parts_of_tables(
    key: Iterable[Any],
    learnables: ParameterTable,
    state: ParameterTable,
    changed: Callable[..., Any],
) -> ProgramParts:
    """Return what a recorded program must know of a network.

    Parameters
    ----------
    key : iterable
        What the network has besides its tables.
    learnables, state : ParameterTable
    changed : callable
        Returns the network with other tables.
    """
    count = len(learnables)

    def build(arrays: list[Any]) -> Any:
        return changed(
            _learnables=ParameterTable.of(learnables.columns, arrays[:count]),
            _state=ParameterTable.of(state.columns, arrays[count:]),
        )

    arrays = [a for table in (learnables, state) if len(table) for a in table.arrays()]
    whole = (*key, learnables.columns, state.columns)
    return ProgramParts(tuple(map(Identity, whole)), arrays, build, len(state))


def looks_at_vectors(tables: Sequence[tuple[str, ParameterTable]]) -> Vectors:
    """Return how an entry looks at the vectors of tables; () if an array could be no part of one.

    Parameters
    ----------
    tables : sequence
        Expressions, in which {} is a container, and the tables that they are.
    """
    found = []
    for name, table in tables:
        values, columns = [read(a) for a in table.arrays()], table.columns
        dtypes = [values[members[0]].dtype for members in columns.groups]
        for value, shape, (group, *_) in zip(values, columns.shapes, columns.places, strict=True):
            if type(value) is not np.ndarray or (value.shape, value.dtype) != (
                shape,
                dtypes[group],
            ):
                return ()
        found.append((name, dtypes))
    return found


def as_vectors(table: ParameterTable, like: ParameterTable) -> ParameterTable:
    """Return the arrays of a table as parts of vectors, as another of the network has them."""
    if table.columns.keys != like.columns.keys or table.columns.shapes != like.columns.shapes:
        raise InvalidArgumentError(
            f"a table has {', '.join(table)}; it must have the arrays of the network: "
            f"{', '.join(like)}"
        )
    vectors = ParameterTable.of(like.columns, table.arrays()).buffers()
    return ParameterTable.of(like.columns, buffers=vectors)


def value_of(data: Any, where: str) -> Array:
    """Return given values as a raw array of their own; lists are single precision."""
    raw = raw_of(data)
    array: Array = np.array(raw, order="C") if hasattr(raw, "dtype") else np.array(raw, np.float32)
    if array.dtype.kind not in "fcb":
        raise InvalidArgumentError(
            f"{where} must be a floating-point array, not {array.dtype} of shape {array.shape}"
        )
    return array


def replaced_table(old: ParameterTable, values: Any, what: str) -> ParameterTable:
    """Return a table with all values replaced, by those of a mapping or a DataFrame."""
    if isinstance(values, ParameterTable) and values.columns is old.columns:
        return values
    given: Mapping[str, Any] = values if isinstance(values, Mapping) else ParameterTable(values)
    strange = [key for key in given if key not in old]
    missing = [key for key in old if key not in given]
    if strange or missing:
        raise InvalidArgumentError(
            f"{what} must have the keys of the network; "
            + (f"missing: {', '.join(missing)}" if missing else f"unknown: {', '.join(strange)}")
        )
    new = old.copy()
    for key in old:
        new[key] = given[key]
    return new
