"""Who computes: the mode of a block, of the environment, and what happens without LLVM."""

import os
import subprocess
import sys
from threading import Barrier, Thread

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.native import compiler, formula, switch

FLOAT = np.dtype(np.float32)


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_the_innermost_block_decides():
    assert switch.mode() == "auto"
    with dl.acceleration("numpy"):
        assert switch.mode() == "numpy"
        with dl.acceleration("auto"):
            assert switch.mode() == "auto"
        assert switch.mode() == "numpy"
        assert not switch.uses_native(FLOAT, pays=True)
    assert switch.mode() == "auto"


def test_a_block_ends_with_an_error():
    with pytest.raises(KeyError), dl.acceleration("numpy"):
        raise KeyError
    assert switch.mode() == "auto"


def test_modes_and_sizes():
    pytest.importorskip("llvmlite")
    assert switch.uses_native(FLOAT, pays=True)
    assert not switch.uses_native(FLOAT, pays=False)
    with dl.acceleration("native"):
        assert switch.uses_native(FLOAT, pays=False)
        assert not switch.uses_native(np.dtype(np.complex64), pays=True)


def test_an_unknown_mode_is_an_error():
    with pytest.raises(dl.InvalidArgumentError, match=r"acceleration: mode.*'fast'"):
        dl.acceleration("fast")


def test_the_environment_sets_the_mode():
    code = "from dlgradient.native import switch; print(switch.mode())"
    assert run(code, DLGRADIENT_ACCELERATION="numpy").stdout == "numpy\n"
    assert run(code, DLGRADIENT_ACCELERATION="").stdout == "auto\n"
    error = run(code, DLGRADIENT_ACCELERATION="fast").stderr
    assert "DLGRADIENT_ACCELERATION is 'fast'; it must be one of auto, numpy, native" in error


STEP = """
import sys, numpy as np, dlgradient as dl
assert "llvmlite" not in sys.modules
p = dl.dlarray(np.ones(100_000))
p, m, s = dl.adamupdate(p, 2 * p)
print(p[-1].item(), "llvmlite.binding" in sys.modules)
"""


def test_llvm_is_loaded_by_the_first_large_step():
    pytest.importorskip("llvmlite")
    done = run(STEP)
    assert done.stdout.split()[1] == "True", done.stderr
    done = run(STEP.replace("100_000", "100"))
    assert done.stdout.split()[1] == "False", done.stderr


def test_numpy_computes_without_llvm():
    without = "import sys; sys.modules['llvmlite'] = None\n"
    expected = run(STEP, DLGRADIENT_ACCELERATION="numpy").stdout.split()[0]
    for mode in ("auto", "numpy"):
        done = run(without + STEP.replace("assert", "#"), DLGRADIENT_ACCELERATION=mode)
        assert done.stdout.split()[0] == expected, done.stderr
    done = run(without + "import dlgradient as dl; dl.acceleration('native')")
    assert "pip install dlgradient[native]" in done.stderr


def test_llvm_that_fails_is_one_warning(monkeypatch):
    pytest.importorskip("llvmlite")

    def refuse():
        raise OSError("no memory may be executed")

    monkeypatch.setattr(compiler, "is_right", refuse)
    switch._is_able.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match=r"NumPy alone.*no memory may be executed"):
            assert not switch.uses_native(FLOAT, pays=True)
        assert not switch.uses_native(FLOAT, pays=True)  # without another warning
    finally:
        switch._is_able.cache_clear()


def test_threads_compile_at_once():
    pytest.importorskip("llvmlite")
    formula._kernel.cache_clear()
    barrier, found = Barrier(4), []

    def work():
        y = [np.empty(9)]
        barrier.wait()
        formula.compute(lambda x: (x * 2.0 + x,), [np.arange(9.0)], y)
        found.append(y[0])

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(found, [3 * np.arange(9.0)] * 4)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")
def test_a_child_of_a_process_that_compiles(tmp_path):
    pytest.importorskip("llvmlite")
    code = """
import os, threading, warnings
import numpy as np
from dlgradient.native import formula
warnings.simplefilter("ignore")  # of a fork with threads, which is what this is about
stop = False
def work():
    i = 0.0
    while not stop:
        i += 1
        steps = int(i) % 50
        def f(x):
            for _ in range(steps):
                x = x * 2.0
            return (x + i,)
        formula.compute(f, [np.ones(9)], [np.empty(9)])
thread = threading.Thread(target=work)
thread.start()
for _ in range(5):
    child = os.fork()
    if not child:
        y = [np.empty(9)]
        formula.compute(lambda x: (x * 3.0 - x,), [np.ones(9)], y)
        os._exit(int(y[0][0]) != 2)
    assert os.waitpid(child, 0)[1] == 0
stop = True
thread.join()
print("done")
"""
    done = run(code, DLGRADIENT_CACHE=str(tmp_path))
    assert done.stdout == "done\n", done.stderr
