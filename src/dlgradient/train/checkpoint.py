"""Checkpoints: files from which a training goes on as if nothing had happened.

A checkpoint has all that the loop carries: the network, the states of the solver and of random
numbers, the place in the data and their order, the history, and the best network. A file is written
whole or not at all, so a program that is killed leaves the one before.
"""

from __future__ import annotations

import warnings
import zlib
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any

import numpy as np

from dlgradient.errors import DlgradientError, InvalidArgumentError, InvalidFileError
from dlgradient.layers.input import STATISTICS
from dlgradient.network.likeness import difference
from dlgradient.network.network import dlnetwork
from dlgradient.network.saving import load, save
from dlgradient.network.table import as_vectors
from dlgradient.train.training import Observer, Row, Training

__all__ = ["Checkpoints", "chosen_checkpoint", "restore"]

# A program reads its own version of a checkpoint.
VERSION = 1
# How many files of a training there are at a time: the newest, and one if that is lost.
RETAINED = 2
# After how many seconds a file that is not complete has no writer.
ABANDONED = 60
# Options that may differ when a training goes on: none of them changes a step.
FREE = {
    "max_epochs",
    "max_iterations",
    "validation_patience",
    "output_network",
    "verbose",
    "verbose_frequency",
    "output_fcn",
    "plots",
    "tensorboard",
    "checkpoint_path",
    "checkpoint_frequency",
    "checkpoint_frequency_unit",
    "preprocessing_environment",
    "execution_environment",  # the network is the same to rounding
    "generator",  # its state is in the checkpoint
    "batch_normalization_statistics",  # it is found after the last step
}
_STATISTICS = frozenset(name for names in STATISTICS.values() for name in names)


class Checkpoints(Observer):
    """Writes a file every few epochs or iterations, and removes old ones.

    A disk that is full, or away, does not end a training that took hours: there is a warning, and
    another attempt when the next one is due. Before the first step it is an error.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: list[Path] = []
        self.run = f"checkpoint-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"

    def begin(self, training: Training) -> None:
        """Write the first file, unless the training goes on from one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if training.resumed is None:
            self._write(training)
            return
        path, before = training.resumed
        if path.parent.resolve() == self.folder.resolve():
            self.files = [*[self.folder / name for name in before], path]
            self._remove_old()
        for part in self.folder.glob(".checkpoint-*.part"):  # of programs that were killed
            with suppress(OSError):
                if time() - part.stat().st_mtime > ABANDONED:
                    part.unlink()

    def iterated(self, training: Training, row: Row) -> str:
        """Write a file if it is due."""
        del row
        # A step that ends the training is taken again, and ends it again.
        if training.info.stop_reason or not _is_due(training):
            return ""
        try:
            self._write(training)
        except OSError as error:
            newest = f"; {self.files[-1]} is the newest one" if self.files else ""
            warnings.warn(
                f"trainnet: no checkpoint is written after iteration {training.iteration}: "
                f"{error}. Training goes on, and tries again{newest}",
                RuntimeWarning,
                stacklevel=2,
            )
        return ""

    def _write(self, training: Training) -> None:
        path = self.folder / f"{self.run}-{training.iteration:09d}.safetensors"
        # Also one that is removed next, so that a program that is killed before leaves no other.
        before = [file.name for file in self.files]
        save(path, {"checkpoint": VERSION, "before": before, **_content(training)})
        self.files.append(path)
        self._remove_old()

    def _remove_old(self) -> None:
        """Remove files but the last ones."""
        for old in self.files[:-RETAINED]:
            with suppress(OSError):
                old.unlink()
        self.files = self.files[-RETAINED:]


def _is_due(training: Training) -> bool:
    options = training.options
    every = options.checkpoint_frequency or 1
    if options.checkpoint_frequency_unit == "iteration":
        return training.iteration % every == 0
    return training.epoch % every == 0 and training.ends_epoch()


def chosen_checkpoint(resume: Any, folder: str) -> Path | None:
    """Return the file that a training goes on from; None if it begins."""
    if resume is False or resume is None:
        return None
    if resume is not True:
        path = Path(resume)
        if not path.is_dir():
            return path
        newest = _newest(path)
        if newest is None:
            raise InvalidArgumentError(
                f"trainnet: resume: the folder {path} has no checkpoint; resume=True with "
                "checkpoint_path begins where there is none"
            )
        return newest
    if not folder:
        raise InvalidArgumentError(
            "trainnet: resume=True looks for checkpoints in checkpoint_path of training_options, "
            "which is not given; give it, or the path of a file as resume="
        )
    return _newest(Path(folder))


def _newest(folder: Path) -> Path | None:
    return max(folder.glob("checkpoint-*.safetensors"), default=None)


# -- what a file has -------------------------------------------------------------------------------


def _content(training: Training) -> dict[str, Any]:
    best = training.best
    return {
        "net": training.net,
        "iteration": training.iteration,
        "epoch": training.epoch,
        "solver": training.solver.saved(),
        "generator": _state_of(training.generator),
        "queue": {
            "generator": _state_of(training.queue.generator),
            **training.queue._place(),
        },
        "training_history": _columns(training.info.training_history),
        "validation_history": _columns(training.info.validation_history),
        "best": best
        and {
            "score": best[0],
            "learnables": best[1].learnables,
            "state": best[1].state,
            "iteration": best[2],
        },
        "failures": training.failures,
        "options": _options(training),
        "data": _fingerprints(training),
    }


def _state_of(generator: np.random.Generator) -> dict[str, Any]:
    found: dict[str, Any] = dict(generator.bit_generator.state)
    return found


def _columns(history: dict[str, list[float]]) -> dict[str, Any]:
    return {name: np.asarray(values) for name, values in history.items()}


def _options(training: Training) -> dict[str, str]:
    """Return the options that the steps depend on, as texts."""
    found = {
        name: _text(value)
        for name, value in vars(training.options).items()
        if name not in FREE and name != "schedules" and not name.startswith("_")
    }
    found["validation_data"] = "None" if training.validation is None else "given"
    return {**found, "loss": training.objective.name}


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_text, value))}]"
    name = getattr(value, "name", None) or getattr(value, "__name__", None)
    return name if isinstance(name, str) else repr(value)


def _fingerprints(training: Training) -> list[str]:
    """Return for each source of data what tells it from others, without reading all of it."""
    return [_fingerprint(source) for source in training.queue.sources]


def _fingerprint(source: Any) -> str:
    if isinstance(source, np.ndarray):
        found = f"array of shape {source.shape} {source.dtype}"
        if source.size == 0 or source.dtype.hasobject:
            return found
        chosen = np.linspace(0, source.size - 1, min(source.size, 1024)).astype(np.intp)
        few = np.ascontiguousarray(source[np.unravel_index(chosen, source.shape)])
        return f"{found}, checksum {zlib.crc32(few.tobytes()):08x}"
    size = f" of {len(source)}" if hasattr(source, "__len__") else ""
    return f"{type(source).__name__}{size}"


# -- going on --------------------------------------------------------------------------------------


def restore(training: Training, path: Path) -> None:
    """Bring a training that has not begun to where a checkpoint was written."""
    try:
        content = load(path, custom=_customs(training.net))
    except InvalidFileError as error:
        raise InvalidFileError(f"trainnet: resume: {error.args[0]}{_another(path)}") from None
    if not isinstance(content, dict) or content.get("checkpoint") != VERSION:
        raise InvalidFileError(
            f"trainnet: resume: {path} is no checkpoint of trainnet, or one of another version; a "
            "network that was saved is trained as any other: trainnet(data, load(path), ...)"
        )
    _check(training, content, path)
    try:
        _restore(training, content)
    except (DlgradientError, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InvalidFileError(
            f"trainnet: resume: {path} is not complete: {error!r}{_another(path)}"
        ) from None
    # Names only: these files will be removed, and a file from others must not say which.
    names = [str(name) for name in content["before"]]
    training.resumed = path, [n for n in names if n == Path(n).name and n.startswith("checkpoint-")]


def _another(path: Path) -> str:
    others = [file for file in path.parent.glob("checkpoint-*.safetensors") if file < path]
    return f". The checkpoint before it is {max(others)}" if others else ""


def _customs(net: dlnetwork) -> list[Any]:
    """Return classes of layers and functions of the user in a network: the file only names them."""
    found: dict[str, Any] = {}
    nets = [net]
    while nets:
        for layer in nets.pop().layers.values():
            found[type(layer).__name__] = type(layer)
            for value in vars(layer).values():
                if isinstance(value, dlnetwork):
                    nets.append(value)
                elif callable(value) and hasattr(value, "__name__"):
                    found[value.__name__] = value
    return list(found.values())


def _check(training: Training, content: dict[str, Any], path: Path) -> None:
    """Raise the error for a training with another network, other options or other data."""
    end = f"To begin anew with its network, write trainnet(data, load({str(path)!r})['net'], ...)"
    try:
        options, data, net = content["options"], content["data"], content["net"]
        found = difference(training.net, net, _STATISTICS)
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidFileError(f"trainnet: resume: {path} is not complete: {error!r}") from None
    if found:
        raise InvalidArgumentError(
            f"trainnet: resume: net is another network than in {path}: {found}. {end}"
        )
    for name, now in _options(training).items():
        if name in options and options[name] != now:
            what = "loss" if name == "loss" else f"the option {name}"
            raise InvalidArgumentError(
                f"trainnet: resume: {what} is {now}, and was {options[name]} in {path}; a training "
                f"goes on with what it began with. {end}"
            )
    for i, (then, now) in enumerate(zip(data, _fingerprints(training), strict=False)):
        if then != now:
            raise InvalidArgumentError(
                f"trainnet: resume: source {i} of the data is {now}, and was {then} in {path}; a "
                f"training goes on with the data that it began with. {end}"
            )
    for generator, then in (
        (training.generator, content["generator"]),
        (training.queue.generator, content["queue"]["generator"]),
    ):
        kind = type(generator.bit_generator).__name__
        if then["bit_generator"] != kind:
            raise InvalidArgumentError(
                f"trainnet: resume: the generator is of {kind}, the checkpoint is of "
                f"{then['bit_generator']}; give one of this kind, or a seed"
            )
    if len(data) != len(training.queue.sources):
        raise InvalidArgumentError(
            f"trainnet: resume: the data have {len(training.queue.sources)} sources, and had "
            f"{len(data)} in {path}. {end}"
        )


def _restore(training: Training, content: dict[str, Any]) -> None:
    net = content["net"]
    training.net = net.with_learnables(as_vectors(net.learnables, net.learnables))
    training.iteration, training.epoch = content["iteration"], content["epoch"]
    training.failures = content["failures"]
    training.solver.restore(content["solver"], training.net)
    training.generator.bit_generator.state = content["generator"]
    place = dict(content["queue"])
    training.queue.generator.bit_generator.state = place.pop("generator")
    training.queue._go_to(**place)
    for name in ("training_history", "validation_history"):
        columns = {key: values.tolist() for key, values in content[name].items()}
        setattr(training.info, name, columns)
    best = content["best"]
    if best is not None:
        best_net = training.net.with_learnables(as_vectors(best["learnables"], net.learnables))
        best_net.state = best["state"]
        training.best = best["score"], best_net, best["iteration"]
