"""Thousands of random programs: every walk, and differences, must agree on each."""

import pytest
from programs import check

PROGRAMS = 2000
CHUNK = 250


@pytest.mark.parametrize("first", range(0, PROGRAMS, CHUNK))
def test_every_walk_agrees(first: int) -> None:
    for seed in range(first, first + CHUNK):
        check(seed)  # raises AssertionError, with the source of the program in its notes
