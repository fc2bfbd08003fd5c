"""Time what a program can do in two ways, for the page on writing fast programs.

``python benchmarks/habits.py`` prints a table in Markdown: both ways and their ratio. Both run in
turns, and the least processor time counts, so that other programs of the machine do not matter.
Run it with one thread of BLAS (``OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import process_time
from typing import Any

import numpy as np

import dlgradient as dl

ROUNDS = 7
N = 1000


def normal(*shape: int, dtype: Any = np.float32) -> Any:
    """Return normal numbers, the same for the same shape."""
    return np.random.default_rng(shape).standard_normal(shape).astype(dtype)


def gradient_of(fun: Callable[..., Any], *xs: Any) -> Callable[[], Any]:
    """Return a call that evaluates the gradient of a scalar function for its first argument."""

    def evaluate(x: Any, *rest: Any) -> Any:
        return dl.dlgradient(fun(x, *rest), x)

    return lambda: dl.dlfeval(evaluate, *xs)


# -- the ways ------------------------------------------------------------------------------------


def by_elements(x: Any) -> Any:
    """Sum over neighbours, element by element."""
    return sum((x[i] - x[i - 1] ** 2) ** 2 for i in range(1, N))


def by_arrays(x: Any) -> Any:
    """Sum over neighbours, with slices."""
    return ((x[1:] - x[:-1] ** 2) ** 2).sum()


def by_assignment(x: Any) -> Any:
    """Recurrence that fills an array."""
    y = dl.zeros(N)
    y[0] = x[0]
    for i in range(1, N):
        y[i] = 0.9 * y[i - 1] + x[i]
    return (y**2).sum()


def by_list(x: Any) -> Any:
    """Recurrence that fills a list."""
    value, values = 0.0, []
    for v in x:
        value = 0.9 * value + v
        values.append(value)
    return (dl.stack(values) ** 2).sum()


def layers(weights: Any, x: Any) -> Any:
    """Network of tanh layers."""
    for w in weights:
        x = dl.tanh(w @ x)
    return (x**2).mean()


def network(dtype: Any) -> Callable[[], Any]:
    """Return the gradient of a network in a precision."""
    weights = [dl.dlarray(normal(256, 256, dtype=dtype) / 16) for _ in range(4)]
    return gradient_of(layers, weights, normal(256, 512, dtype=dtype))


def two_gradients(*, retain_data: bool) -> Callable[[], Any]:
    """Return two gradients of one network in one evaluation."""
    weights = [dl.dlarray(normal(256, 256) / 16) for _ in range(4)]

    def evaluate(weights: Any, x: Any) -> Any:
        y = layers(weights, x)
        first = dl.dlgradient(y, weights, retain_data=retain_data)
        return first, dl.dlgradient(y**2, weights)

    return lambda: dl.dlfeval(evaluate, weights, normal(256, 512))


def jacobian(*, rows: bool) -> Callable[[], Any]:
    """Return the Jacobian of two results for a hundred variables."""

    def evaluate(x: Any) -> Any:
        y = dl.sin(x[:2] * x.sum())
        if rows:
            return dl.stack([dl.dlgradient(v, x, retain_data=True) for v in y])
        return dl.stack([dl.dljvp(y, x, e) for e in np.eye(x.size)], axis=1)

    return lambda: dl.dlfeval(evaluate, dl.dlarray(np.ones(100)))


def cross_entropy(*, indices: bool) -> Callable[[], Any]:
    """Return the gradient of a cross-entropy of many classes."""
    logits = dl.dlarray(normal(N, 256), "CB")
    if indices:
        labels = np.zeros(256, np.int64)
        return gradient_of(lambda x: dl.indexcrossentropy(x, labels, from_logits=True), logits)
    targets = np.zeros((N, 256), np.float32)
    targets[0] = 1
    return gradient_of(lambda x: dl.crossentropy(dl.softmax(x), targets), logits)


def higher(*, traced: bool) -> Callable[[], Any]:
    """Return a gradient that is traced, or not."""
    weights = [dl.dlarray(normal(256, 256) / 16) for _ in range(4)]

    def evaluate(weights: Any, x: Any) -> Any:
        return dl.dlgradient(layers(weights, x), weights, enable_higher_derivatives=traced)

    return lambda: dl.dlfeval(evaluate, weights, normal(256, 512))


def constant(*, shared: bool) -> Callable[[], Any]:
    """Return a gradient next to a large constant: a NumPy array, or a dlarray made once."""
    data = normal(784, 2048)
    held = dl.dlarray(data) if shared else data
    weights = dl.dlarray(normal(64, 784))
    return gradient_of(lambda w: (dl.tanh(w @ held) ** 2).mean(), weights)


def scaled(*, early: bool) -> Callable[[], Any]:
    """Return a gradient where a number scales an array, or the sum of it."""
    x = dl.dlarray(normal(1000, 1000))
    if early:
        return gradient_of(lambda x: (0.5 * x * 2.0 / 3.0).sum(), x)
    return gradient_of(lambda x: x.sum() * (0.5 * 2.0 / 3.0), x)


def habits() -> Iterator[tuple[str, str, Callable[[], Any], Callable[[], Any]]]:
    """Yield names of the slow and the fast way, and both."""
    x = dl.dlarray(normal(N, dtype=np.float64))
    yield (
        "a loop over 1000 elements",
        "slices",
        *(gradient_of(f, x) for f in (by_elements, by_arrays)),
    )
    yield (
        "a recurrence of 1000 steps that assigns to `y[i]`",
        "a list of values, and `stack`",
        *(gradient_of(f, x) for f in (by_assignment, by_list)),
    )
    yield "float64", "float32", network(np.float64), network(np.float32)
    yield (
        "two gradients of one network",
        "`retain_data=True` in the first",
        two_gradients(retain_data=False),
        two_gradients(retain_data=True),
    )
    yield (
        "`enable_higher_derivatives=True` that is not needed",
        "without it",
        higher(traced=True),
        higher(traced=False),
    )
    yield (
        "Jacobian of 2 results for 100 variables, by columns",
        "by rows",
        jacobian(rows=False),
        jacobian(rows=True),
    )
    yield (
        "`crossentropy(softmax(x), onehot)`, 1000 classes",
        "`indexcrossentropy(x, i, from_logits=True)`",
        cross_entropy(indices=False),
        cross_entropy(indices=True),
    )
    yield (
        "a constant of 6 MB as a NumPy array",
        "as a dlarray, made once",
        constant(shared=False),
        constant(shared=True),
    )
    yield (
        "numbers times an array of 10⁶, three times",
        "one number times the sum",
        scaled(early=True),
        scaled(early=False),
    )


def times(slow: Callable[[], Any], fast: Callable[[], Any]) -> tuple[float, float]:
    """Return the least time of each, in milliseconds; they take turns."""
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        for i, call in enumerate((slow, fast)):
            start = process_time()
            count = 0
            while process_time() - start < 0.02:
                call()
                count += 1
            best[i] = min(best[i], (process_time() - start) / count * 1e3)
    return best[0], best[1]


def main() -> None:
    """Print the table."""
    print("| instead of | write | time | becomes | faster |\n|---|---|---|---|---|")
    for slow_name, fast_name, slow, fast in habits():
        before, after = times(slow, fast)
        ratio = before / after
        print(
            f"| {slow_name} | {fast_name} | {before:.3g} ms | {after:.3g} ms "
            f"| {ratio:.{0 if ratio > 10 else 1}f} times |"
        )


if __name__ == "__main__":
    main()
