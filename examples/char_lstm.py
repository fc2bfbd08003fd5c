"""An LSTM writes text
===================

One character at a time, in a custom training loop.

The text is Python's reference, the pages of ``help("CLASSES")`` and others, which come with Python.
The network reads a character and predicts the probabilities of the next one. It consists of
`embed`, `lstm` and `fullyconnect`. Each column of a batch is a section of the text, read window by
window. The states of the LSTM pass from window to window; gradients do not. The norm of the
gradient is clipped before Adam uses it. After training, the network writes.
"""

import figures
import numpy as np
import runs
import writing

import dlgradient as dl

# %%
# The text
# --------


def rows(numbers, count):
    """Cut a text into sections, the columns of an array."""
    length = len(numbers) // count
    return numbers[: count * length].reshape(count, length).T


# %%
# The network
# -----------


def network(symbols, channels, hidden, generator):
    """Return the learnables of the network."""
    return {
        "embedding": dl.dlarray(
            dl.initialize_glorot((symbols, channels), generator=generator), "UC"
        ),
        "input": dl.initialize_glorot((4 * hidden, channels), generator=generator),
        "recurrent": dl.initialize_orthogonal((4 * hidden, hidden), generator=generator),
        "bias": dl.initialize_unit_forget_gate(4 * hidden),
        "output": dl.initialize_glorot((symbols, hidden), generator=generator),
        "output_bias": dl.initialize_zeros(symbols),
    }


def predict(learnables, x, h, c):
    """Return logits of the character after each one, and the states after the last."""
    x = dl.embed(x, learnables["embedding"])
    y, h, c = dl.lstm(x, h, c, learnables["input"], learnables["recurrent"], learnables["bias"])
    return dl.fullyconnect(y, learnables["output"], learnables["output_bias"]), h, c


# %%
# Loss and gradient
# -----------------
#
# The states are returned, so that the next window goes on from them.


def cross_entropy(learnables, window, h, c):
    """Return nats per character of a window, whose rows are times, and the states after it."""
    x = dl.dlarray(window[:-1], "TB")
    logits, h, c = predict(learnables, x, h, c)
    loss = dl.indexcrossentropy(
        logits, window[1:], from_logits=True, normalization_factor="all-elements"
    )
    return loss, h, c


def model_loss(learnables, window, h, c):
    """Return nats per character, their gradient, and the states."""
    loss, h, c = cross_entropy(learnables, window, h, c)
    return loss, dl.dlgradient(loss, learnables), h, c


# %%
# The training loop
# -----------------


def train(learnables, numbers, *, iterations, batch, length, rate):
    """Train with Adam; return the learnables and the loss of every iteration."""
    text = rows(numbers, batch)
    windows = (len(text) - 1) // length
    average = average_sq = None
    losses = []
    for iteration in runs.steps(iterations, "iterations"):
        first = (iteration - 1) % windows * length
        if first == 0:
            h = c = 0
        window = text[first : first + length + 1]
        loss, gradient, h, c = dl.dlfeval(model_loss, learnables, window, h, c)
        losses.append(loss.item())
        gradient = dl.clip_by_global_norm(gradient, 1)
        falling = rate * np.cos(np.pi / 2 * (iteration - 1) / iterations)
        learnables, average, average_sq = dl.adamupdate(
            learnables, gradient, average, average_sq, iteration, falling
        )
    return learnables, losses


# %%
# The network writes
# ------------------


def write(learnables, alphabet, length, generator, temperature=0.7):
    """Let the network write: each character is drawn, and read as the next one."""
    number, h, c = int(np.flatnonzero(alphabet == "\n")[0]), 0, 0
    text = []
    for _ in range(length):
        logits, h, c = predict(learnables, dl.dlarray([number], "B"), h, c)
        p = dl.extractdata(dl.softmax(logits / temperature)).ravel().astype(np.float64)
        number = generator.choice(len(alphabet), p=p / p.sum())
        text.append(alphabet[number])
    return "".join(text).strip()


# %%
# Run it
# ------
#
# The output and the picture below are those of ``--small``, a smaller problem. Without it, the
# script trains longer. ``pip install dlgradient[examples]`` installs what it imports.


def main(small=False):
    """Train, print the loss and what the network writes, and draw both."""
    figures.style()
    generator = np.random.default_rng(0)
    numbers, held_out, alphabet = writing.characters(30_000 if small else None)
    channels, hidden = (16, 48) if small else (64, 256)
    size = {"iterations": 80, "batch": 16, "length": 32, "rate": 0.02}
    if not small:
        size = {"iterations": 1200, "batch": 32, "length": 64, "rate": 0.004}
    learnables = network(len(alphabet), channels, hidden, generator)
    learnables, losses = train(learnables, numbers, **size)
    loss, _, _ = cross_entropy(learnables, rows(held_out, 4), 0, 0)
    text = write(learnables, alphabet, 900, generator)
    print(f"{len(numbers)} characters to train with, {len(held_out)} held out")
    print(f"{len(alphabet)} symbols; a random guess costs {np.log(len(alphabet)):.4f} nats")
    print(f"loss: {losses[0]:.4f} at first, {losses[-1]:.4f} after {len(losses)} iterations")
    print(f"held out: {loss.item():.4f} nats per character")
    print(text)
    writing.draw("char_lstm", losses, loss.item(), text)


if __name__ == "__main__":
    main(runs.small(__doc__))
