"""Data of PyTorch in mini-batches: its datasets and tensors are sources, its loader is answered."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import dlgradient as dl
from dlgradient import layers

COUNT = 20


class Pairs(Dataset):
    """Tensors, of which the labels are numbers of Python."""

    def __init__(self, x, t):
        self.x, self.t = torch.tensor(x), t.tolist()

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], self.t[i]


class Stream(IterableDataset):
    def __init__(self, x, t):
        self.pairs = TensorDataset(torch.tensor(x), torch.tensor(t))

    def __iter__(self):
        return iter(self.pairs)


class StreamWithLength(Stream):
    def __len__(self):
        return COUNT


def options():
    given = {"max_epochs": 2, "mini_batch_size": 8, "verbose": False, "shuffle": "never"}
    return dl.training_options("sgdm", **given)


@pytest.fixture
def data():
    return np.random.default_rng(0).normal(size=(COUNT, 3)).astype(np.float32), np.arange(COUNT) % 3


SOURCES = {
    "dataset": lambda x, t: Pairs(x, t),
    "tensors": lambda x, t: TensorDataset(torch.tensor(x), torch.tensor(t)),
    "stream": lambda x, t: Stream(x, t),
    "stream with a length": lambda x, t: StreamWithLength(x, t),
    "two tensors": lambda x, t: (torch.tensor(x), torch.tensor(t)),
}


@pytest.mark.parametrize("environment", ["serial", "background"])
@pytest.mark.parametrize("kind", SOURCES)
def test_a_training_is_that_with_arrays(kind, environment, data):
    x, t = data
    net = dl.dlnetwork(
        [layers.FeatureInput(3), layers.FullyConnected(3), layers.Softmax()], generator=0
    )
    queue = dl.minibatchqueue(
        SOURCES[kind](x, t),
        mini_batch_size=8,
        mini_batch_format=("BC", None),
        preprocessing_environment=environment,
    )
    found, _ = dl.trainnet(queue, net, "crossentropy", options())
    wanted, _ = dl.trainnet(x, t, net, "crossentropy", options())
    for key, value in wanted.learnables.items():
        np.testing.assert_array_equal(found.learnables[key], value)


def test_tensors_are_data_and_targets(data):
    x, t = data
    net = dl.dlnetwork(
        [layers.FeatureInput(3), layers.FullyConnected(3), layers.Softmax()], generator=0
    )
    tensors = torch.tensor(x), torch.tensor(t)
    found, _ = dl.trainnet(*tensors, net, "crossentropy", options())
    wanted, _ = dl.trainnet(x, t, net, "crossentropy", options())
    assert found == wanted
    np.testing.assert_array_equal(
        dl.minibatchpredict(found, tensors[0]), dl.minibatchpredict(wanted, x)
    )


def test_a_loader_is_answered_by_its_dataset(data):
    loader = DataLoader(Pairs(*data), batch_size=8)
    with pytest.raises(dl.InvalidArgumentError, match=r"loader.dataset, mini_batch_size=8"):
        dl.minibatchqueue(loader)
