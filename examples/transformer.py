"""A transformer writes text
=========================

Self-attention in a graph of layers, one character at a time.

The text is Python's reference, the pages of ``help("CLASSES")`` and others, which come with Python.
Each block attends to the characters before, and then transforms each one by itself. Both results
are added to what the block has got: that makes a graph, whose connections are listed. After
training the network writes: each character is drawn, and read with those before.
"""

from time import perf_counter

import figures
import numpy as np
import runs
import writing

import dlgradient as dl
from dlgradient import layers

# %%
# The network
# -----------


def block(net, i, channels, heads):
    """Add a block to the network, after the sum ``add_i``."""
    attending = [
        layers.LayerNormalization(operation_dimension="channel-only", name=f"norm_{i}"),
        layers.SelfAttention(heads, channels, attention_mask="causal", name=f"attention_{i}"),
        layers.Addition(2, name=f"middle_{i}"),
    ]
    transforming = [
        layers.LayerNormalization(operation_dimension="channel-only", name=f"second_norm_{i}"),
        layers.FullyConnected(4 * channels, name=f"wide_{i}"),
        layers.Gelu(name=f"gelu_{i}"),
        layers.FullyConnected(channels, name=f"narrow_{i}"),
        layers.Addition(2, name=f"add_{i + 1}"),
    ]
    net = net.add_layers(attending).add_layers(transforming)
    connections = [
        (f"add_{i}", f"norm_{i}"),
        (f"add_{i}", f"middle_{i}/in2"),
        (f"middle_{i}", f"second_norm_{i}"),
        (f"middle_{i}", f"add_{i + 1}/in2"),
    ]
    for start, end in connections:
        net = net.connect_layers(start, end)
    return net


def network(symbols, length, channels, heads, blocks):
    """Return a network from ``TCB``, with one channel of numbers, to logits of the next ones."""
    net = dl.dlnetwork(
        [
            layers.SequenceInput(1, name="text"),
            layers.Embedding(channels, symbols),
            layers.Addition(2, name="add_0"),
        ],
        initialize=False,
    )
    net = net.add_layers(layers.PositionEmbedding(channels, length, name="places"))
    net = net.connect_layers("text", "places").connect_layers("places", "add_0/in2")
    for i in range(blocks):
        net = block(net, i, channels, heads)
    last = [
        layers.LayerNormalization(operation_dimension="channel-only", name="last_norm"),
        layers.FullyConnected(symbols, name="logits"),
    ]
    net = net.add_layers(last).connect_layers(f"add_{blocks}", "last_norm")
    return net.initialize(generator=1)


# %%
# Training
# --------


def windows(numbers, length, count, rng):
    """Return windows of the text, times × 1 × windows, and the characters after each."""
    first = rng.integers(len(numbers) - length, size=count)
    text = numbers[first + np.arange(length + 1)[:, None]]
    return text[:-1, None].astype(np.float32), text[1:]


def cross_entropy(net, x, following):
    """Return nats per character."""
    logits = net.predict(dl.dlarray(x, "TCB"))
    return dl.indexcrossentropy(
        logits, dl.dlarray(following, "TB"), from_logits=True, normalization_factor="all-elements"
    )


def model_loss(net, x, following):
    """Return nats per character and their gradient."""
    loss = cross_entropy(net, x, following)
    return loss, dl.dlgradient(loss, net)


def train(net, numbers, *, iterations, batch, length, rate):
    """Train with Adam; return the network and the loss of every iteration."""
    rng = np.random.default_rng(2)
    average = average_sq = None
    losses = []
    for iteration in runs.steps(iterations, "iterations"):
        x, following = windows(numbers, length, batch, rng)
        loss, gradient = dl.dlfeval(model_loss, net, x, following)
        losses.append(loss.item())
        gradient = dl.clip_by_global_norm(gradient, 1)
        # The rate rises for a tenth of the time, and then falls.
        part = iteration / iterations
        now = rate * min(10 * part, np.cos(np.pi / 2 * part) + 0.01)
        net, average, average_sq = dl.adamupdate(net, gradient, average, average_sq, iteration, now)
    return net, losses


# %%
# The network writes
# ------------------


def write(net, alphabet, length, count, rng, temperature=0.7):
    """Let the network write: each character is drawn, and read with those before."""
    numbers = [int(np.flatnonzero(alphabet == "\n")[0])]
    for _ in range(count):
        x = np.array(numbers[-length:], np.float32)[:, None, None]
        logits = net.predict(x)[-1, :, 0].astype(np.float64) / temperature
        p = np.exp(logits - logits.max())
        numbers.append(int(rng.choice(len(alphabet), p=p / p.sum())))
    return "".join(alphabet[numbers]).strip()


# %%
# Run it
# ------
#
# The output and the picture below are those of ``--small``, a smaller problem. Without it, the
# script trains longer. ``pip install dlgradient[examples]`` installs what it imports.


def main(small=False):
    """Train, print the loss and what the network writes, and draw both."""
    figures.style()
    numbers, held_out, alphabet = writing.characters(30_000 if small else None)
    length, channels, heads, blocks = (24, 32, 2, 1) if small else (96, 128, 4, 3)
    size = {"iterations": 150, "batch": 16, "rate": 0.01}
    if not small:
        size = {"iterations": 2500, "batch": 32, "rate": 0.002}
    net = network(len(alphabet), length, channels, heads, blocks)
    begun = perf_counter()
    net, losses = train(net, numbers, length=length, **size)
    seconds = perf_counter() - begun
    x, following = windows(held_out, length, 64, np.random.default_rng(3))
    loss = cross_entropy(net, x, following).item()
    text = write(net, alphabet, length, 300 if small else 900, np.random.default_rng(4))
    print(f"{len(numbers)} characters to train with, {len(held_out)} held out")
    print(f"{len(alphabet)} symbols; a random guess costs {np.log(len(alphabet)):.4f} nats")
    print(f"loss: {losses[0]:.4f} at first, {losses[-1]:.4f} after {len(losses)} iterations")
    print(f"held out: {loss:.4f} nats per character, after {seconds:.0f} s")
    print(text)
    writing.draw("transformer", losses, loss, text)


if __name__ == "__main__":
    main(runs.small(__doc__))
