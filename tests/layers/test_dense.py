"""Embeddings of words: indices that are in no vocabulary."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers


def test_unknown_words_are_the_last_one():
    layer = layers.WordEmbedding(3, 5, name="words")
    net = dl.dlnetwork([layers.SequenceInput(1), layer], generator=0)
    table = np.asarray(net.learnables["words/weights"])
    y = net.predict(np.array([0.0, 4.0, 5.0, -1.0]).reshape(4, 1, 1))
    assert np.array_equal(y[:, :, 0], table[[0, 4, 4, 4]])
    strict = dl.dlnetwork([layers.SequenceInput(1), layers.WordEmbedding(3, 5, oov_mode="error")])
    with pytest.raises(dl.DlgradientError, match="'word-embedding'"):
        strict.predict(np.full((1, 1, 1), 5.0))
