"""An epoch of a network that two ranks of MPI share, over that of one process.

Each process has one thread, so that both use what the machine has for them. The work is the same:
the batches are those of one process. Run as a program, this file is what a rank does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from harness.result import OURS, Result, Target, with_unit
from harness.row import Context, Row

LIMIT = 0.6
BATCHES, BATCH = 12, 128
SKIPPED = 2  # steps, in which memory is asked for and functions are prepared


def _rank(environment: str) -> None:
    """Print the least time of a step."""
    import dlgradient as dl

    layers = dl.layers

    rng = np.random.default_rng(0)
    x = rng.standard_normal((28, 28, 1, BATCH * BATCHES), dtype=np.float32)
    labels = rng.integers(0, 10, BATCH * BATCHES)
    net = [
        layers.ImageInput((28, 28, 1), normalization="none"),
        layers.Convolution2d(5, 16, padding="same"),
        layers.BatchNormalization(),
        layers.Relu(),
        layers.MaxPooling2d(2, stride=2),
        layers.Convolution2d(3, 32, padding="same"),
        layers.BatchNormalization(),
        layers.Relu(),
        layers.FullyConnected(10),
        layers.Softmax(),
    ]
    options = dl.training_options(
        "adam",
        max_epochs=1,
        mini_batch_size=BATCH,
        generator=0,
        verbose=False,
        execution_environment=environment,
    )
    _, info = dl.trainnet(x, labels, net, "crossentropy", options)
    elapsed = np.array(info.training_history["time_elapsed"])
    sys.stdout.write(f"{np.diff(elapsed)[SKIPPED:].min()}\n")


def _once(count: int) -> float:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    path = os.pathsep.join([str(Path(__file__).parent.parent), *sys.path])
    kind = "parallel" if count > 1 else "cpu"
    mpiexec = Path(sys.executable).parent / "mpiexec"
    done = subprocess.run(
        [mpiexec, "-n", str(count), sys.executable, __file__, kind],
        check=True,
        capture_output=True,
        text=True,
        env={**environment, "PYTHONPATH": path},
    )
    return max(map(float, done.stdout.split()))


def _run(context: Context) -> Result:
    rounds = 2 if context.quick else 6
    best = {1: float("inf"), 2: float("inf")}
    for done in range(rounds):
        for count, least in best.items():
            best[count] = min(least, _once(count))
        context.report((done + 1) / rounds)
    result = Result("ranks", f"step of a CNN, {BATCH} images, 2 MPI ranks", "s", {OURS: best[2]})
    ratio = best[2] / best[1]
    result.targets.append(
        Target(f"≤ {LIMIT}x of one process", f"{ratio:.2f}x of one process", ratio <= LIMIT)
    )
    result.notes.append(
        f"One process takes {with_unit(best[1], 's')}; all have one thread. Half of it is ideal."
    )
    return result


RANKS = Row("ranks", _run)

if __name__ == "__main__":
    _rank(sys.argv[1])
