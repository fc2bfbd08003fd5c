"""Trainings that real ranks of MPI share, against one process; and ranks that fail."""

import os
import pickle
import re
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shared_trainings
from shared_trainings import TRAININGS

import dlgradient as dl
from dlgradient.core.shares import Share, sharing
from dlgradient.nn.shared.batches import uniform

HERE = Path(__file__).parent
MPIEXEC = Path(sys.executable).parent / "mpiexec"
needs_mpi = pytest.mark.skipif(
    find_spec("mpi4py") is None or not MPIEXEC.exists(),
    reason="needs mpi4py and mpich in this environment: pip install mpi4py mpich",
)


def start(count: int, *command: object, **kinds: Any) -> subprocess.CompletedProcess[str]:
    """Run a script of this folder with several ranks, of one thread each."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        [MPIEXEC, "-n", str(count), sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        cwd=HERE,
        env={**environment, **kinds},
    )


# Ranks start slowly where other tests take the cores.
pytestmark = pytest.mark.timeout(300)


# -- the same network ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def of_ranks(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the results of all ranks, for a number of them."""

    @cache
    def results(count: int) -> list[dict[str, Any]]:
        path = tmp_path_factory.mktemp("ranks") / "results"
        done = start(count, "shared_trainings.py", path)
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = pickle.loads(path.read_bytes())
        return found

    return results


def compare(found: Any, wanted: Any, where: str) -> None:
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys(), where
        for key, value in wanted.items():
            compare(found[key], value, f"{where}/{key}")
    elif isinstance(wanted, str):
        assert found == wanted, where
    else:
        # Sums in another order, over some twenty steps in single precision.
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5, err_msg=where)


@needs_mpi
@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("name", TRAININGS)
def test_ranks_train_the_network_of_one_process(of_ranks: Any, name: str, count: int) -> None:
    wanted = TRAININGS[name]()
    results = of_ranks(count)
    assert len(results) == count
    for rank, found in enumerate(results):
        compare(found[name], wanted, f"rank {rank}")


@needs_mpi
def test_all_ranks_have_the_same_network_bit_for_bit(of_ranks: Any) -> None:
    first, *others = of_ranks(4)
    for name in (*TRAININGS, "seedless"):
        for other in others:
            for key, value in first[name]["learnables"].items():
                np.testing.assert_array_equal(other[name]["learnables"][key], value)


@pytest.mark.parametrize("axis", [0, 2])
def test_random_numbers_of_an_observation_do_not_depend_on_its_share(axis: int) -> None:
    shape = [4, 3, 5]
    shape[axis] = 7
    whole = uniform(np.random.default_rng(0), tuple(shape), axis)
    parts = []
    for first, last in ((0, 2), (2, 3), (3, 7)):
        common, own = np.random.default_rng(0), np.random.default_rng(1)
        with sharing(Share(first, last - first, 7, True, np.array, common, own)):
            shape[axis] = last - first
            parts.append(uniform(own, tuple(shape), axis))
    np.testing.assert_array_equal(np.concatenate(parts, axis), whole)


# -- what is said, and by whom -------------------------------------------------------------------


@needs_mpi
def test_the_first_rank_prints_and_calls_functions(tmp_path: Path) -> None:
    done = start(2, "failing_ranks.py", "nothing", tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum(line.startswith("rank 0 at") for line in lines) == 15
    assert "rank 1 at" not in done.stdout
    assert sum("TrainingLoss" in line for line in lines) == 1
    networks = [line for line in lines if line.startswith("done")]
    assert len(networks) == 2
    assert networks[0] == networks[1]


@needs_mpi
def test_ctrl_c_on_one_rank_stops_all_after_the_same_step(tmp_path: Path) -> None:
    done = start(2, "failing_ranks.py", "interrupt", tmp_path)
    assert done.returncode == 0, done.stderr
    networks = re.findall(r"^done 7 .*Stopped by the user$", done.stdout, re.MULTILINE)
    assert len(networks) == 2
    assert networks[0] == networks[1]


@needs_mpi
@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (
            "error",
            r"ValueError: seven is too much\ntrainnet: in iteration 7, observations .*\n"
            ".*rank 1 of 2 has failed, so all of them end",
        ),
        ("exit", "SystemExit: 3\n.*rank 1 of 2 has failed, so all of them end"),
        ("kill", r"KILLED BY SIGNAL: 9|EXIT CODE: 9|signal 9"),
    ],
)
def test_a_rank_that_fails_ends_the_job(fault: str, text: str, tmp_path: Path) -> None:
    done = start(2, "failing_ranks.py", fault, tmp_path)
    assert done.returncode != 0
    assert re.search(text, done.stderr + done.stdout)
    # Rank 1 has failed in the seventh step, so six are there, and a training goes on from them.
    again = start(2, "failing_ranks.py", "resume", tmp_path)
    assert again.returncode == 0, again.stderr
    assert "rank 0 at 6" not in again.stdout
    undisturbed = start(2, "failing_ranks.py", "nothing", tmp_path / "other")
    assert re.findall("done .*", again.stdout) == re.findall("done .*", undisturbed.stdout)


@needs_mpi
@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("after", "ValueError: all for nothing\n.*rank 1 of 2 has failed"),
        ("data", "must be the same on all ranks, .* 20 on rank 0 and 10 on rank 1"),
        ("stream", "ranks cannot share an iterable"),
    ],
)
def test_wrong_scripts_end_with_an_error(fault: str, text: str) -> None:
    done = start(2, "failing_ranks.py", fault)
    assert done.returncode != 0
    assert re.search(text, done.stderr)


@needs_mpi
def test_a_process_that_is_alone_is_told_how_to_start() -> None:
    with pytest.raises(dl.InvalidArgumentError, match="mpiexec -n 2 python"):
        shared_trainings.dense(execution_environment="parallel")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ImportError, match=r"needs mpi4py .* pip install dlgradient\[mpi\]"):
        shared_trainings.dense(execution_environment="parallel")
