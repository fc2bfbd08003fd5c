"""Damaged files, made from good ones by seeded mutations; reading them must end well.

Run this file for a long run: ``python tests/network/mutations.py 100000 0``.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

import dlgradient as dl
from dlgradient import layers

STRANGE = (
    None, True, -1, 0, 1, 2**31, 2**63, 10**30, 1e308, "", "S", "../x", "array", [], {}, [[]],
    {"$": "network"}, {"$": "array", "name": "fc/weights"}, {"$": "function", "name": "exec"},
)  # fmt: skip


def files():
    """Return the bytes of good files: networks of many layers, and a container."""
    net = dl.dlnetwork(
        [
            layers.ImageInput((6, 6, 2), normalization="zerocenter", mean=[1.0, 2.0]),
            layers.Convolution2d(3, 4, padding="same"),
            layers.BatchNormalization(),
            layers.ClippedRelu(6),
            layers.GroupedConvolution2d(3, 1, "channel-wise", stride=(2, 1)),
            layers.GlobalAveragePooling2d(),
            layers.FullyConnected(3),
            layers.Function(dl.tanh),
        ],
        generator=0,
    )
    block = dl.dlnetwork([layers.FullyConnected(3), layers.Tanh()])
    wired = dl.dlnetwork(
        [layers.FeatureInput(3), layers.Network(block, name="block"), layers.Addition(2)]
    )
    wired = wired.connect_layers("input", "addition/in2").initialize(generator=0)
    held = dl.dlnetwork([layers.SequenceInput(2), layers.Lstm(3)], generator=0)
    container = {
        "nets": [wired, held],
        "step": 3,
        "history": (1.0, float("inf"), 2j, None),
        "w": dl.dlarray(np.ones((2, 3)), "CB"),
        "table": held.learnables,
        1: np.array([True, False]),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "good"
        for value in (net, wired, container):
            dl.save(path, value)
            yield path.read_bytes()


def mutated(data, rng):
    """Return a damaged copy of a file: of its bytes, of its header, or of its description."""
    kind = rng.integers(3)
    if kind == 0:
        return bytes_changed(data, rng)
    length = int.from_bytes(data[:8], "little")
    header, rest = json.loads(data[8 : 8 + length]), data[8 + length :]
    if kind == 1:
        header = _json_changed(header, rng)
    else:
        description = json.loads(header["__metadata__"]["dlgradient"])
        for _ in range(rng.integers(1, 4)):
            description = _json_changed(description, rng)
        header["__metadata__"]["dlgradient"] = json.dumps(description)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + rest


def bytes_changed(data, rng):
    changed = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        # Half of the changes hit the beginning, where lengths and names are.
        at = int(rng.integers(len(changed) if rng.random() < 0.5 else min(len(changed), 600)))
        what = rng.integers(5)
        if what == 0:
            changed[at] = rng.integers(256)
        elif what == 1:
            changed[at] ^= 1 << rng.integers(8)
        elif what == 2:
            del changed[at : at + int(rng.integers(1, 40))]
        elif what == 3:
            changed[at:at] = changed[at : at + int(rng.integers(1, 40))]
        else:
            del changed[at:]
        if not changed:
            break
    return bytes(changed)


def _json_changed(value, rng):
    """Return a tree of JSON with one place changed: another value, one less, one twice."""
    places = list(_places(value)) if isinstance(value, dict | list) else []
    if not places:
        return STRANGE[rng.integers(len(STRANGE))]
    outer, key = places[rng.integers(len(places))]
    what = rng.integers(4)
    if what == 0:
        outer[key] = STRANGE[rng.integers(len(STRANGE))]
    elif what == 1:
        del outer[key]
    elif what == 2:
        other, name = places[rng.integers(len(places))]
        outer[key] = json.loads(json.dumps(other[name]))
    elif isinstance(outer, list):
        outer.insert(int(key), json.loads(json.dumps(outer[key])))
    else:
        outer[f"{key}x"] = outer.pop(key)
    return value


def _places(value):
    for key in value if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def outcome(read, path, data):
    """Return how reading ends: "read", or the class of the error, which must be ours."""
    path.write_bytes(data)
    try:
        read(path)
    except dl.DlgradientError as error:
        return type(error).__name__
    return "read"


def main(count, first):
    """Read damaged files, and print how many ended in which way."""
    good = list(files())
    ends = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + count):
            rng = np.random.default_rng(seed)
            try:
                data = mutated(good[seed % len(good)], rng)
                end = outcome(dl.load, Path(folder) / "damaged", data)
            except Exception:
                sys.stdout.write(f"seed {seed}\n")
                raise
            ends[end] = ends.get(end, 0) + 1
    sys.stdout.write(f"{ends}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
