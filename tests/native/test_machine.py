"""What a processor can do: wide vectors where there are some, and the smallest one."""

import platform
import subprocess
import sys

import pytest

pytest.importorskip("llvmlite")

from dlgradient.native.machine import machine

BASELINE = """
from llvmlite import binding
binding.get_host_cpu_name = lambda: "x86-64"
binding.get_host_cpu_features = binding.targets.FeatureMap
import numpy as np
import dlgradient as dl
from dlgradient.native import compiler
from dlgradient.native.machine import machine
assert machine().vector_bytes == 16

translate, names = compiler._translate, []
def translated(text, quickly):
    module = binding.parse_assembly(text)
    assembly = machine().new_target(2).emit_assembly(module)
    assert "ymm" not in assembly and "vfmadd" not in assembly
    names.append(text)
    return translate(text, quickly)
compiler._translate = translated

rng = np.random.default_rng(0)
def compute():
    x, w = dl.dlarray(rng.normal(size=(2, 3, 20, 21)), "BCSS"), rng.normal(size=(1, 3, 1, 3, 3))
    y = dl.dlconv(x, w, padding="same", stride=2, weights_format="UUCSS")
    z, _, _ = dl.batchnorm(y, 0.1, 1.5)
    p, m, s = dl.adamupdate(z, 2 * z)
    x = dl.dlarray(rng.normal(size=(3, 2, 5)), "TBC")
    h, _, c = dl.lstm(x, 0, 0, rng.normal(size=(12, 5)), rng.normal(size=(12, 3)), 0)
    g, _ = dl.gru(x, 0, rng.normal(size=(9, 5)), rng.normal(size=(9, 3)), 0)
    return [dl.extractdata(a) for a in (y, z, p, m, s, h, c, g)]

with dl.acceleration("native"):
    found = compute()
rng = np.random.default_rng(0)
with dl.acceleration("numpy"):
    for a, b in zip(found, compute(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-13)
print(len(names))
"""


def test_lanes():
    width = machine().vector_bytes
    assert width in (16, 32, 64)
    assert (machine().lanes("float"), machine().lanes("double")) == (width // 4, width // 8)


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="says what x86 can do; run it there"
)
def test_the_smallest_processor_gives_the_same_results(tmp_path, monkeypatch):
    monkeypatch.setenv("DLGRADIENT_CACHE", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", BASELINE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == 6  # kernels were compiled
