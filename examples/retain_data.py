"""Memory with and without retain_data
===================================

The cost and benefit of ``retain_data``: memory and time of two gradients in one evaluation.

A network of many tanh layers has two losses, as in adversarial training. Both gradients pass
through the same layers. Without ``retain_data``, the first call drops the saved values as it passes
them, and the second computes them again. With it, they are held until `dlfeval` returns.
tracemalloc measures the memory; it counts every NumPy array.
"""

import tracemalloc
from time import perf_counter

import figures
import matplotlib.pyplot as plt
import numpy as np

import dlgradient as dl

WIDTH = 256
BATCH = 256
DEPTHS = [5, 10, 20, 40]
MIB = 2**20


# %%
# Two losses that share layers
# ----------------------------


def features(weights, x):
    """Return the output of the layers that both losses share."""
    for w in weights:
        x = dl.tanh(x @ w)
    return x


def two_gradients(weights, x, between, *, retain_data):
    """Return the gradients of two losses; `between` is called between them."""
    out = features(weights, x)
    first = dl.dlgradient((out**2).mean(), weights, retain_data=retain_data)
    between()
    second = dl.dlgradient(dl.abs(out).mean(), weights)
    return first, second


def one_gradient(weights, x, *, retain_data):
    """Return the gradient of one loss."""
    return dl.dlgradient((features(weights, x) ** 2).mean(), weights, retain_data=retain_data)


# %%
# What is measured
# ----------------


def network(depth):
    """Return weights and inputs, float32."""
    rng = np.random.default_rng(0)
    scale = np.sqrt(1 / WIDTH)
    shapes = [(WIDTH, WIDTH)] * depth
    weights = [dl.dlarray((scale * rng.normal(size=s)).astype(np.float32)) for s in shapes]
    return weights, dl.dlarray(rng.normal(size=(BATCH, WIDTH)).astype(np.float32))


def measure(depth, *, retain_data):
    """Return the peak of one gradient, the memory held between two, and seconds for two."""
    weights, x = network(depth)
    held = []

    def between():
        held.append(tracemalloc.get_traced_memory()[0])

    dl.dlfeval(two_gradients, weights, x, between, retain_data=retain_data)  # late imports
    held.clear()
    tracemalloc.start()
    dl.dlfeval(one_gradient, weights, x, retain_data=retain_data)
    peak = tracemalloc.get_traced_memory()[1]
    dl.dlfeval(two_gradients, weights, x, between, retain_data=retain_data)
    tracemalloc.stop()
    begin = perf_counter()
    dl.dlfeval(two_gradients, weights, x, between, retain_data=retain_data)
    seconds = perf_counter() - begin
    gradients = sum(w.nbytes for w in weights)
    return peak / MIB, (held[0] - gradients) / MIB, seconds


# %%
# The picture
# -----------


def draw(rows):
    """Draw peak memory, memory between the two calls, and time, over the depth."""
    figure, panels = plt.subplots(1, 3, figsize=(10.5, 3.4))
    titles = ["Peak of one gradient", "Trace held between two", "Two gradients"]
    units = ["MiB", "MiB", "ms"]
    for i, (panel, title, unit) in enumerate(zip(panels, titles, units, strict=True)):
        for retain_data in (False, True):
            values = [row[i] * (1000 if unit == "ms" else 1) for row in rows[retain_data]]
            panel.plot(DEPTHS, values, "o-", label=f"retain_data={retain_data}")
        panel.set(xlabel="layers", ylabel=unit, title=title)
        panel.set_ylim(bottom=0)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figures.save(figure, "retain_data")


# %%
# Run it
# ------


def main():
    """Print and draw memory and time with and without retained data."""
    figures.style()
    rows = {False: [], True: []}
    print(f"layers {WIDTH}x{WIDTH}, batch {BATCH}, float32")
    print("layers   retain_data   peak of one   held between two   two gradients")
    for depth in DEPTHS:
        for retain_data in (False, True):
            peak, between, seconds = measure(depth, retain_data=retain_data)
            rows[retain_data].append((peak, between, seconds))
            print(
                f"{depth:>6}   {retain_data!s:>11}   {peak:>7.1f} MiB   {between:>12.1f} MiB   "
                f"{seconds * 1000:>10.1f} ms"
            )
    draw(rows)


if __name__ == "__main__":
    main()
