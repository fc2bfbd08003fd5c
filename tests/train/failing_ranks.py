"""A training in which rank 1 fails as it is told; `mpiexec -n 2 python` runs this file."""

import os
import signal
import sys
from typing import Any

import numpy as np

import dlgradient as dl
from dlgradient import layers


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Noisy(layers.Layer):
    """A layer of the user, which draws other numbers in each rank."""

    def predict(self, x: Any) -> Any:
        return x

    def forward(self, x: Any) -> Any:
        return x + self.generator.normal(size=x.shape)


def main(fault: str, folder: str) -> None:
    from mpi4py import MPI

    rank = MPI.COMM_WORLD.rank
    calls = 0
    size = 20

    def loss(y: Any, targets: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 8 and rank:  # in the seventh step; data are looked at before the first
            if fault == "error":
                raise ValueError("seven is too much")
            if fault == "exit":
                sys.exit(3)
            if fault == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if fault == "interrupt":
                os.kill(os.getpid(), signal.SIGINT)
        return dl.mse(y, targets)

    if fault == "data" and rank:
        size = 10
    x = np.random.default_rng(0).normal(size=(size, 2))
    pairs = list(zip(x, x, strict=True))
    data = dl.minibatchqueue(lambda: iter(pairs), mini_batch_format=("BC", "BC"))
    options = {
        "checkpoint_path": folder,
        "checkpoint_frequency": 1,
        "checkpoint_frequency_unit": "iteration",
    }
    net, info = dl.trainnet(
        *((data, None) if fault == "stream" else (x, x)),
        [layers.FeatureInput(2), Noisy(name="noise"), layers.FullyConnected(2)],
        loss,
        dl.training_options(
            "sgdm",
            max_epochs=3,
            mini_batch_size=4,
            generator=0,
            execution_environment="parallel",
            output_fcn=lambda row: say(f"rank {rank} at {row['iteration']}"),
            **(options if folder else {}),
        ),
        resume=fault == "resume",
    )
    bits = b"".join(np.asarray(v).tobytes() for v in net.learnables.values()).hex()
    iteration = info.training_history["iteration"][-1]
    say(f"done {iteration} {bits} {info.stop_reason}")
    if fault == "after" and rank:
        raise ValueError("all for nothing")
    if fault == "after":
        MPI.COMM_WORLD.Barrier()


if __name__ == "__main__":
    main(sys.argv[1], *sys.argv[2:] or [""])
