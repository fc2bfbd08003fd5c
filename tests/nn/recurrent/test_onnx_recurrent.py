"""The node tests of the ONNX standard for recurrent layers, all of them.

They are made by the modules that the standard's own backend tests come from. The standard orders
the gates in a way of its own, and has two biases whose sum an LSTM uses.
"""

import numpy as np
import pytest
from onnx_nodes import made

import dlgradient as dl

NAMES = ("lstm", "gru", "rnn")


def gates(array, order):
    """Reorder the gates of a parameter, and put the rows of both directions behind one another."""
    parts = np.split(array, len(order), axis=1)
    array = np.concatenate([parts[i] for i in order], axis=1)
    return array.reshape(-1, *array.shape[2:])


def biases(b, w):
    """The biases of the inputs and of the hidden state, for each direction."""
    if b is None:
        b = np.zeros((w.shape[0], 2 * w.shape[1]), w.dtype)
    return np.split(b, 2, axis=1)


def options(a, x, lengths):
    batch_first = a.get("layout", 0)
    steps = x.shape[1 if batch_first else 0]
    mask = None
    if lengths is not None:
        mask = dl.dlarray(np.arange(steps)[:, None] < lengths, "TB")
    return {
        "direction": a.get("direction", b"forward").decode(),
        "data_format": "BTC" if batch_first else "TBC",
        "mask": mask,
    }


def state(s, a):
    """From directions (or batch), batch (or directions) and units to batch and channels."""
    if s is None:
        return 0
    s = s if a.get("layout") else np.swapaxes(s, 0, 1)
    return dl.dlarray(s.reshape(s.shape[0], -1), "BC")


def as_onnx(a, y, *states):
    """Results in the standard's order of dimensions, directions apart."""
    count = 2 if a.get("direction") == b"bidirectional" else 1
    y, *states = (np.asarray(r).reshape(*r.shape[:-1], count, -1) for r in (y, *states))
    if a.get("layout"):
        return y, *states
    return y.swapaxes(1, 2), *(s.swapaxes(0, 1) for s in states)


def lstm(a, x, w, r, b=None, lengths=None, h=None, c=None, p=None):
    first, second = biases(b, w)
    order = (0, 2, 3, 1)  # from input, output, forget, candidate
    results = dl.lstm(
        x,
        state(h, a),
        state(c, a),
        gates(w, order),
        gates(r, order),
        gates(first + second, order),
        peephole=None if p is None else gates(p, (0, 2, 1)),
        **options(a, x, lengths),
    )
    return as_onnx(a, *results)


def gru(a, x, w, r, b=None, lengths=None, h=None):
    first, second = biases(b, w)
    order = (1, 0, 2)  # from update, reset, candidate
    if a.get("linear_before_reset"):
        mode, bias = "recurrent-bias-after-multiplication", (first, second)
    else:
        mode, bias = "before-multiplication", (first + second,)
    # Each direction has both its biases one behind the other.
    bias = np.concatenate([gates(part, order).reshape(part.shape) for part in bias], axis=1)
    results = dl.gru(
        x,
        state(h, a),
        gates(w, order),
        gates(r, order),
        bias.reshape(-1),
        reset_gate_mode=mode,
        **options(a, x, lengths),
    )
    return as_onnx(a, *results)


def rnn(a, x, w, r, b=None, lengths=None, h=None):
    """A loop over the steps: there is no function for this layer."""
    assert lengths is None
    direction = a.get("direction", b"forward")
    x = dl.dlarray(x.swapaxes(0, 1) if a.get("layout") else x)
    steps, batch, _ = x.shape
    units = r.shape[-1]
    first, second = biases(b, w)
    ys, lasts = [], []
    for k in range(w.shape[0]):
        backwards = direction == b"reverse" or k == 1
        s = np.zeros((batch, units), x.dtype) if h is None else h[k]
        states = []
        for t in reversed(range(steps)) if backwards else range(steps):
            s = dl.tanh(x[t] @ w[k].T + s @ r[k].T + first[k] + second[k])
            states.append(s)
        ys.append(dl.stack(states[::-1] if backwards else states))
        lasts.append(s)
    y = dl.concat(ys, axis=-1)
    y = dl.permute_dims(y, (1, 0, 2)) if a.get("layout") else y
    return as_onnx(a, y, dl.concat(lasts, axis=-1))


ADAPTERS = {"lstm": lstm, "gru": gru, "rnn": rnn}


@pytest.mark.parametrize("operator", NAMES)
@pytest.mark.filterwarnings("ignore")  # of the modules that make the tests of other operators
def test_all_of_an_operator(operator):
    tests = made(operator)
    assert tests
    for name, attributes, inputs, outputs in tests:
        found = ADAPTERS[operator](attributes, *inputs)
        # Most tests leave out the states of all steps, and compare the last ones.
        found = found if outputs[0].ndim == 4 else found[1:]
        for y, expected in zip(found, outputs, strict=False):
            assert y.shape == expected.shape, name
            np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6, err_msg=name)
