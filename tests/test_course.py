"""The checks that readers of the course download find what is wrong, and each exercise has one."""

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

COURSE = Path(__file__).parents[1] / "docs" / "course"
CHECKS = runpy.run_path(str(COURSE / "exercises.py"))
LESSONS = re.findall(r"^\d+\. \[.*\]\((\S+)\)", (COURSE / "index.md").read_text(), re.MULTILINE)
SOLUTION = re.compile(r"^:::\{dropdown\} Solution\n(.*?)^:::$", re.MULTILINE | re.DOTALL)


def wrong(text: str, check: str, *args: Any) -> None:
    with pytest.raises(AssertionError, match=text):
        CHECKS[check](*args)


def test_right_answers() -> None:
    assert CHECKS["check"]([1.0, 2.0], np.array([1.0, 2.0 + 1e-9])) == "right"
    assert CHECKS["check_derivative"](lambda x: 3 * x**2, lambda x: x**3) == "right"
    assert CHECKS["check_gradient"](lambda z: 2 * z, lambda z: np.abs(z) ** 2, 1 + 2j) == "right"


def test_wrong_answers_are_shown_with_the_right_ones() -> None:
    wrong(r"your answer is 1\.0; it must be about 2\.0", "check", 1.0, 2.0)
    wrong(r"your answer has shape \(1,\); it must be \(\)", "check", [1.0], 1.0)
    wrong(r"derivative at -1\.3 is .*about 5\.069", "check_derivative", lambda _: 0, lambda x: x**3)
    wrong("is nan", "check", np.nan, 1.0)


def test_a_gradient_that_is_the_conjugate_is_wrong() -> None:
    wrong(
        "the gradient is .* it must be about",
        "check_gradient",
        lambda _: 2 + 3j,
        lambda z: ((2 + 3j) * z).real,
        1 + 1j,
    )


@pytest.mark.parametrize(("number", "name"), list(enumerate(LESSONS, 1)))
def test_each_exercise_of_a_lesson_has_a_solution_that_is_checked(number: int, name: str) -> None:
    page = (COURSE / name).read_text(encoding="utf-8")
    assert page.startswith(f"# {number}. ")
    exercises = re.findall(r"^\*\*(\d+\.\d+)\*\*", page, re.MULTILINE)
    assert exercises == [f"{number}.{i}" for i in (1, 2, 3)]
    solutions = SOLUTION.findall(page)
    assert len(solutions) == len(exercises)
    assert all(re.search(r"^check\w*\(", solution, re.MULTILINE) for solution in solutions)


def test_the_index_lists_every_lesson() -> None:
    assert {*LESSONS, "index.md"} == {path.name for path in COURSE.glob("*.md")}
