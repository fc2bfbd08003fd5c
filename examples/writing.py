"""What the examples share whose networks write: the text that they read, and a picture."""

import re
import textwrap

import figures
import matplotlib.pyplot as plt
import numpy as np


def characters(limit):
    """Return the text as numbers, 97 % to train with and the rest held out, and the alphabet."""
    from pydoc_data.topics import topics

    text = re.sub(" +", " ", "\n\n".join(topics.values()))
    text = re.sub(r"^ ?[|+].*\n", "", text, flags=re.MULTILINE)[:limit]  # tables
    alphabet, numbers = np.unique(list(text), return_inverse=True)
    split = 97 * len(numbers) // 100
    return numbers[:split], numbers[split:], alphabet


def draw(name, losses, held_out, text):
    """Draw the loss, and the text that the network writes."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 3.8), width_ratios=(1, 1.3))
    left.plot(np.arange(1, len(losses) + 1), losses, label="training", linewidth=0.9)
    left.axhline(held_out, color=figures.COLORS[1], linestyle="--", label="held out, at the end")
    left.set(xlabel="iteration", ylabel="nats per character", title="Loss")
    left.set_ylim(bottom=0)
    left.legend()
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, 80) or [""]]
    right.text(0, 1, "\n".join(lines[:19]), va="top", family="monospace", size=8, parse_math=False)
    right.set(title="The network writes")
    right.set_axis_off()
    return figures.save(figure, name)
