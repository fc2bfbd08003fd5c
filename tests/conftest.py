"""What holds for every test."""

import gc
import os
import tempfile

import numpy as np
import pytest
from hypothesis import settings

from dlgradient.testing import maker

# No test opens a window. Matplotlib reads this when it is imported, which no test does before.
os.environ["MPLBACKEND"] = "Agg"

# Nor does it find or leave machine code of the user.
_folder = tempfile.TemporaryDirectory()
os.environ["DLGRADIENT_CACHE"] = _folder.name

# "ci" tries the same examples in every run, so that a change is judged by what it changes.
# HYPOTHESIS_PROFILE=search looks for new ones.
settings.register_profile("ci", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("search", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Return a generator that depends on the name of the test and on DLGRADIENT_SEED only.

    So the data of a test are the same alone, in another order and on another worker.
    """
    return maker(request.node.nodeid).rng


def pytest_collection_finish() -> None:
    """Leave the tests themselves, half a million objects, out of every look for garbage.

    A trace that closes after an error looks through all objects, too.
    """
    gc.freeze()
