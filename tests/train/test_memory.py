"""Memory of old steps is used again, and never that which somebody still has."""

import copy
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers


def network():
    wide = [layers.FeatureInput(40), layers.FullyConnected(50, bias_learn_rate_factor=2.0)]
    return dl.dlnetwork([*wide, layers.FullyConnected(3)], generator=0)


def gradients_of(net, rng):
    values = {k: rng.normal(size=v.shape).astype(v.dtype) for k, v in net.learnables.items()}
    return dl.dlupdate(lambda _p, g: g, net.learnables, type(net.learnables)(values))


UPDATES = {
    "adam": lambda p, g, s, t: dl.adamupdate(p, g, *(s or (None, None)), t),
    "sgdm": lambda p, g, s, _t: dl.sgdmupdate(p, g, *s),
    "adadelta": lambda p, g, s, _t: dl.adadeltaupdate(p, g, *s),
    "lion": lambda p, g, s, _t: dl.lionupdate(p, g, *s),
}

# What a user may have of a network or a state: each refers to the memory in its own way.
WAYS = {
    "table": lambda table: table,
    "array": lambda table: next(iter(table.values())),
    "view": lambda table: np.asarray(table["fc_1/weights"])[3:5, ::7].T,
    "memoryview": lambda table: memoryview(np.asarray(table["fc_1/bias"])),
    "copy": lambda table: copy.copy(table.copy()),
    "frame": lambda table: table.to_pandas()["Value"][2],
    "capsule": lambda table: np.from_dlpack(table["fc_1/bias"]),
    "closure": lambda table: lambda a=table["fc_1/weights"]: dl.extractdata(a),
    "buffer": lambda table: table.buffers(),
}


def contents(thing):
    if callable(thing):
        thing = thing()
    if isinstance(thing, list):
        return [np.array(a) for a in thing]
    if hasattr(thing, "values"):
        return [np.array(a) for a in thing.values()]
    return [np.array(thing)]


@pytest.mark.parametrize("name", UPDATES)
def test_what_a_caller_has_is_never_written_to(name, rng):
    """A random thing of a random step is held for a random time, in every way there is."""
    update, net, state = UPDATES[name], network(), ()
    held = []
    for t in range(1, 121):
        g = gradients_of(net, rng)
        net, *state = update(net, g, state, t)
        tables = [net.learnables, g, *state]
        for way in WAYS.values():
            if rng.random() < 0.2:
                thing = way(tables[rng.integers(len(tables))])
                held.append((thing, contents(thing), t + rng.integers(1, 12)))
        del tables, g
        for thing, before, _ in held:
            for a, b in zip(contents(thing), before, strict=True):
                np.testing.assert_array_equal(a, b)
        held = [row for row in held if row[2] > t]


@pytest.mark.parametrize("name", UPDATES)
def test_a_weak_reference_gives_what_it_was_made_of_or_nothing(name, rng):
    update, net, state = UPDATES[name], network(), ()
    made = []
    for t in range(1, 31):
        net, *state = update(net, gradients_of(net, rng), state, t)
        vectors = [table.buffers()[0] for table in (net.learnables, *state)]
        made += [(weakref.ref(vector), vector.copy()) for vector in vectors[t % 2 :]]
        del vectors
        for reference, before in made:
            assert reference() is None or np.array_equal(reference(), before)


@pytest.mark.parametrize("name", UPDATES)
def test_steps_are_those_without_it(name, rng):
    update, net, state = UPDATES[name], network(), ()
    rows, others = net, ()
    for t in range(1, 20):
        g = gradients_of(net, rng)
        net, *state = update(net, g, state, t)
        # Copies of the state have no memory, so each of these steps has vectors of its own.
        rows, *others = update(rows, g.copy(), [s.copy() for s in others], t)
        assert net.learnables == rows.learnables
        assert all(a == b for a, b in zip(state, others, strict=True))


def places(table):
    return [b.ctypes.data for b in table.buffers()]


@pytest.mark.parametrize("name", UPDATES)
def test_the_memory_of_dead_steps_is_used_again(name, rng):
    update, net, state = UPDATES[name], network(), ()
    seen = []
    for t in range(1, 31):
        net, *state = update(net, gradients_of(net, rng), state, t)
        seen.append([places(table) for table in (net.learnables, *state)])
    # As many vectors as two steps have, and the gradient.
    assert len({a for row in seen for places in row for a in places}) <= 2 * len(seen[0]) + 2


def test_one_state_may_be_used_twice(rng):
    """A search along a line begins again and again from one state."""
    net, state = network(), (None, None)
    for t in (1, 2, 3):
        net, *state = dl.adamupdate(net, gradients_of(net, rng), *state, t)
    g = gradients_of(net, rng)
    results = [dl.adamupdate(net, g, *state, 4, rate) for rate in (0.1, 0.2, 0.1)]
    assert results[0][0] == results[2][0]
    assert results[0][0] != results[1][0]
    again, *_ = dl.adamupdate(net, g, *pickle.loads(pickle.dumps(state)), 4, 0.1)
    assert again.learnables == results[0][0].learnables


def test_threads_may_share_a_state(rng):
    net, state = network(), (None, None)
    for t in range(1, 6):
        net, *state = dl.adamupdate(net, gradients_of(net, rng), *state, t)
        g = gradients_of(net, rng)
        with ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(dl.adamupdate, net, g, *state, t + 1) for _ in range(16)]
        found = [call.result() for call in calls]
        assert all(row[0] == found[0][0] and row[1] == found[0][1] for row in found)
