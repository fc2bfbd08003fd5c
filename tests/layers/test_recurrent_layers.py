"""Recurrent layers in networks: masks of padding, and the state that a reset returns to."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers

MAKERS = {
    "Lstm": lambda **o: layers.Lstm(3, **o),
    "Gru": lambda **o: layers.Gru(3, **o),
    "Bilstm": lambda **o: layers.Bilstm(3, **o),
    "LstmProjected": lambda **o: layers.LstmProjected(3, 2, 2, **o),
    "GruProjected": lambda **o: layers.GruProjected(3, 2, 2, **o),
}
LENGTHS = (4, 1, 6, 3)


def masked(make, **options):
    layer = make(has_padding_mask_input=True, name="memory", **options)
    net = dl.dlnetwork([layers.SequenceInput(2), layer], initialize=False)
    net = net.add_layers(layers.SequenceInput(1, name="mask"))
    return net.connect_layers("mask", "memory/mask").initialize(generator=0)


def plain(net, make, **options):
    new = dl.dlnetwork([layers.SequenceInput(2), make(name="memory", **options)])
    new.learnables = net.learnables
    return new


@pytest.fixture
def sequences(rng):
    return [rng.normal(size=(n, 2)).astype(np.float32) for n in LENGTHS]


@pytest.mark.parametrize("direction", ["right", "left"])
@pytest.mark.parametrize("mode", ["sequence", "last"])
@pytest.mark.parametrize("name", MAKERS)
def test_padding_changes_neither_results_nor_states(name, mode, direction, sequences):
    """A padded batch gives what each sequence gives alone; a queue gives the mask."""
    make = MAKERS[name]
    net = masked(make, output_mode=mode, has_state_outputs=True)
    alone = plain(net, make, output_mode=mode, has_state_outputs=True)
    queue = dl.minibatchqueue(
        sequences,
        mini_batch_format="TCB",
        sequence_padding_direction=direction,
        sequence_padding_value=7.0,
        padding_masks=True,
    )
    x, mask = queue.next()
    assert dl.dims(mask) == "TCB"
    assert mask.shape == (6, 1, 4)
    y, *states = net.predict(x, mask)
    for i, sequence in enumerate(sequences):
        n = len(sequence)
        want, *last = alone.predict(dl.dlarray(sequence[..., None], "TCB"))
        own = slice(0, n) if direction == "right" else slice(6 - n, 6)
        found = y[own, :, i : i + 1] if mode == "sequence" else y[:, i : i + 1]
        np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6)
        for state, value in zip(states, last, strict=True):
            np.testing.assert_allclose(state[:, i : i + 1], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["Lstm", "Gru"])
def test_states_and_mask_are_both_inputs(name):
    layer = MAKERS[name](has_padding_mask_input=True, has_state_inputs=True)
    assert layer.input_names == ("in", "hidden", *(["cell"] * (name == "Lstm")), "mask")


def test_gradients_do_not_depend_on_padding(sequences):
    net = masked(MAKERS["Lstm"])
    queue = dl.minibatchqueue(sequences, mini_batch_format="TCB", padding_masks=True)
    longer = dl.minibatchqueue(
        sequences, mini_batch_format="TCB", padding_masks=True, sequence_length=11
    )

    def loss(net, x, mask):
        y, _ = net.forward(x, mask)
        return dl.dlgradient((y * y).sum(), net.learnables)

    one, other = (dl.dlfeval(loss, net, *q.next()) for q in (queue, longer))
    for key, value in one.items():
        np.testing.assert_allclose(other[key], value, rtol=1e-4, atol=1e-5)


def test_trainings_and_predictions_take_the_masks(sequences, rng):
    """How long batches are does not matter, so one batch and four give the same predictions."""
    targets = rng.normal(size=(4, 1)).astype(np.float32)
    net = masked(MAKERS["Gru"], output_mode="last")
    net = net.add_layers(layers.FullyConnected(1)).connect_layers("memory", "fc")
    found = {}
    for length in ("longest", 9):
        queue = dl.minibatchqueue(
            (sequences, targets),
            mini_batch_size=2,
            mini_batch_format=("TCB", "BC"),
            sequence_length=length,
            padding_masks=True,
        )
        chosen = dl.training_options("adam", max_epochs=3, verbose=False, generator=0)
        chosen.shuffle = "never"
        found[length], _ = dl.trainnet(queue, net, "mse", chosen)
    for key, value in found["longest"].learnables.items():
        np.testing.assert_allclose(found[9].learnables[key], value, rtol=1e-4, atol=1e-6)
    ys = [
        dl.minibatchpredict(
            found[9],
            dl.minibatchqueue(
                sequences, mini_batch_size=n, mini_batch_format="TCB", padding_masks=True
            ),
        )
        for n in (1, 4)
    ]
    np.testing.assert_allclose(ys[0], ys[1], rtol=1e-5, atol=1e-6)


def test_masks_of_arrays_of_streams_and_of_several_outputs(sequences, rng):
    x = rng.normal(size=(5, 2, 3))
    queue = dl.minibatchqueue(
        (x, rng.normal(size=(3, 1))), mini_batch_format=("TCB", "BC"), padding_masks=True
    )
    found, mask, t = queue.next()
    assert (mask.shape, dl.dims(t)) == ((5, 1, 3), "BC")
    assert np.asarray(mask).all()
    assert found.shape == (5, 2, 3)
    stream = dl.minibatchqueue(
        lambda: iter(sequences), mini_batch_format="TCB", mini_batch_size=3, padding_masks=True
    )
    _, mask = stream.next()
    assert np.asarray(mask).sum(0).ravel().tolist() == [4, 1, 6]


@pytest.mark.parametrize("given", [{"mini_batch_format": "BC"}, {}, {"mini_batch_fcn": np.stack}])
def test_masks_need_a_time(given, rng):
    with pytest.raises(dl.InvalidArgumentError, match="padding_masks=True needs a mini_batch_form"):
        dl.minibatchqueue(rng.normal(size=(3, 2)), padding_masks=True, **given)


# -- the state -------------------------------------------------------------------------------------


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("name", MAKERS)
def test_a_reset_returns_to_the_given_state(name, nested, rng, tmp_path):
    units = 6 if name == "Bilstm" else 3
    first = rng.normal(size=units).astype(np.float32)
    layer = MAKERS[name](hidden_state=first, name="memory")
    layer = layers.Network(dl.dlnetwork([layer])) if nested else layer
    net = dl.dlnetwork([layers.SequenceInput(2), layer], generator=0)
    key = next(k for k in net.state if k.endswith("hidden_state"))
    assert np.array_equal(net.state[key], first)
    x = rng.normal(size=(5, 2, 4))
    y, net.state = net.forward(x)
    assert net.state[key].shape == (units, 4)
    dl.save(tmp_path / "net", net)
    for carried in (net, dl.load(tmp_path / "net"), net.copy()):
        fresh = carried.reset_state()
        assert np.array_equal(fresh.state[key], first)
        assert not any(np.asarray(v).any() for k, v in fresh.state.items() if k != key)
        np.testing.assert_array_equal(fresh.predict(x), y)


def test_a_loaded_network_without_a_given_state_returns_to_zero(rng, tmp_path):
    net = dl.dlnetwork([layers.SequenceInput(2), layers.Lstm(3)], generator=0)
    _, net.state = net.forward(rng.normal(size=(5, 2, 4)))
    dl.save(tmp_path / "net", net)
    loaded = dl.load(tmp_path / "net")
    assert loaded == net
    assert not any(np.asarray(v).any() for v in loaded.reset_state().state.values())


def test_each_batch_of_a_training_begins_with_the_given_state(rng):
    x = rng.normal(size=(5, 2, 6)).astype(np.float32)
    first = np.float32([1.0, -2.0, 0.5])
    net = dl.dlnetwork([layers.SequenceInput(2), layers.Gru(3, hidden_state=first)], generator=0)
    seen = []

    def loss(y):
        seen.append(dl.extractdata(y)[0, :, 0])
        return (y * y).mean()

    chosen = dl.training_options(
        "sgdm", max_epochs=1, mini_batch_size=2, shuffle="never", initial_learn_rate=1e-12,
        verbose=False,
    )  # fmt: skip
    dl.trainnet(x, None, net, loss, chosen)
    want = [np.asarray(net.predict(x[..., k : k + 2]))[0, :, 0] for k in (0, 2, 4)]
    np.testing.assert_allclose(seen[-3:], want, rtol=1e-5)


@pytest.mark.parametrize("name", ["Lstm", "Bilstm", "Gru"])
def test_masks_and_states_as_inputs_are_no_onnx(name, tmp_path):
    with pytest.raises(dl.DlgradientError, match="an input for the mask of padding"):
        dl.export_onnx_network(masked(MAKERS[name]), tmp_path / "net.onnx")
    net = dl.dlnetwork([layers.SequenceInput(2), MAKERS[name](has_state_inputs=True)],
                       initialize=False)  # fmt: skip
    state = dl.dlarray(np.zeros((6 if name == "Bilstm" else 3, 1)), "CB")
    net = net.initialize(state, state) if name != "Gru" else net.initialize(state)
    with pytest.raises(dl.DlgradientError, match="inputs and outputs for the state"):
        dl.export_onnx_network(net, tmp_path / "net.onnx")
