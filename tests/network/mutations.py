"""Damaged files, made from good ones by seeded mutations; reading them must end well.

There are 10,000 of them in the tests. Run this file for a long run:
``python tests/network/mutations.py 100000 0``.
"""

import contextlib
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

import dlgradient as dl
from dlgradient import layers

# How much memory and time of the processor it may take to read one file.
MEMORY, SECONDS = 2**27, 2.0
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


def proto_changed(data, kind, rng):
    """Return a message of protobuf with fields changed, left out or doubled."""
    message = kind.FromString(data)
    for _ in range(rng.integers(1, 4)):
        fields = list(_fields(message))
        _change(*fields[rng.integers(len(fields))], fields, rng)
    return message.SerializeToString()


def _fields(message):
    for field, value in message.ListFields():
        yield message, field
        for inner in value if hasattr(value, "extend") else [value]:
            if hasattr(inner, "ListFields"):
                yield from _fields(inner)


def _change(message, field, fields, rng):
    value = getattr(message, field.name)
    if hasattr(value, "extend"):
        place = int(rng.integers(len(value) + 1)) - 1
        what = rng.integers(4)
        if what == 0 or place < 0:
            message.ClearField(field.name)
        elif what == 1:
            del value[place]
        elif what == 2:
            value.extend([value[place]])
        elif not hasattr(value[place], "ListFields"):
            value[place] = _strange(value[place], fields, rng)
    elif hasattr(value, "ListFields") or rng.integers(4) == 0:
        message.ClearField(field.name)
    else:
        new = _strange(value, fields, rng)
        if field.enum_type is None or new in field.enum_type.values_by_number:
            setattr(message, field.name, new)


def _strange(value, fields, rng):
    """Return a strange value of the same type: an extreme one, or one from elsewhere."""
    if isinstance(value, bytes):
        return bytes_changed(value or b"0", rng)
    others = [getattr(m, f.name) for m, f in fields]
    values = {
        int: [-1, 0, 1, 7, 2**31 - 1, -(2**31)],
        float: [0.0, float("nan"), float("inf"), -1e38],
        str: ["", "x", "../x", "Relu", "If", *[v for v in others if isinstance(v, str)]],
    }[type(value)]
    return values[rng.integers(len(values))]


# -- reading -----------------------------------------------------------------------------------


def ends(read, path, damaged):
    """Return how often reading ended in which way: "read", or a class of our errors.

    Parameters
    ----------
    read : callable
        ``read(path)``
    damaged : iterable of bytes
        Each is read within `MEMORY` and `SECONDS`; an error of another kind tells its number.
    """
    found = Counter()
    # A new file for each would cost most of the time.
    with path.open("w+b") as file, limited_memory():
        for number, data in enumerate(damaged):
            file.seek(0)
            file.write(data)
            file.truncate()
            file.flush()
            begun = time.process_time()
            try:
                read(path)
                end = "read"
            except dl.DlgradientError as error:
                end = type(error).__name__
            except BaseException as error:
                error.add_note(f"damaged file {number}")
                raise
            found[end] += 1
            assert time.process_time() - begun < SECONDS, number
    return found


@contextlib.contextmanager
def limited_memory():
    """Let the system refuse more memory than there is now and `MEMORY`, where it can."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def main(count, first):
    """Read damaged files, and print how many ended in which way."""
    with tempfile.TemporaryDirectory() as folder:
        for number, good in enumerate(files()):
            seeds = range(first, first + count)
            damaged = (mutated(good, np.random.default_rng((number, seed))) for seed in seeds)
            sys.stdout.write(f"{ends(dl.load, Path(folder) / 'damaged', damaged)}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
