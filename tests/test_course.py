"""The checks that readers of the course download find what is wrong, and each exercise has one."""

import doctest
import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

COURSE = Path(__file__).parents[1] / "docs" / "course"
CHECKS = runpy.run_path(str(COURSE / "exercises.py"))
LESSONS = re.findall(r"^\d+\. \[.*\]\((\S+)\)", (COURSE / "index.md").read_text(), re.MULTILINE)
BLOCK = re.compile(r"^```(?:python|pycon)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SOLUTION = re.compile(r"^:::\{dropdown\} Solution\n(.*?)^:::$", re.MULTILINE | re.DOTALL)


def wrong(text: str, check: str, *args: Any) -> None:
    with pytest.raises(AssertionError, match=text):
        CHECKS[check](*args)


def cube(x: Any) -> Any:
    return x**3


def no(_: Any) -> None:
    """Return nothing, as a function whose `return` was forgotten."""


def test_right_answers() -> None:
    assert CHECKS["check"]([1.0, 2.0], np.array([1.0, 2.0 + 1e-9])) == "right"
    assert CHECKS["check_derivative"](lambda x: 3 * x**2, lambda x: x**3) == "right"
    assert CHECKS["check_gradient"](lambda z: 2 * z, lambda z: np.abs(z) ** 2, 1 + 2j) == "right"


def test_wrong_answers_are_shown_with_the_right_ones() -> None:
    wrong(r"your answer is 1\.0; it must be about 2\.0", "check", 1.0, 2.0)
    wrong(r"your answer has shape \(1,\); it must be \(\)", "check", [1.0], 1.0)
    wrong(r"derivative at -1\.3 is .*about 5\.069", "check_derivative", lambda _: 0, lambda x: x**3)
    wrong("is nan", "check", np.nan, 1.0)
    wrong("your answer is 3e-07; it must be about 1e-07", "check", 3e-7, 1e-7)
    wrong("is 1.0; it must be about inf", "check", 1.0, np.inf)


def test_what_is_no_number_is_named() -> None:
    wrong(
        r"the gradient is None; does the function end with `return", "check_gradient", no, cube, 1.0
    )
    wrong(r"the derivative at -1\.3 is None", "check_derivative", no, cube)
    wrong("the value of f is None", "check_derivative", cube, no)
    wrong("your answer is 'two'; it must be a number", "check", "two", 2.0)
    wrong(r"your answer is \[1.0, None\]; it must be a number", "check", [1.0, None], [1.0, 2.0])
    wrong("its rows must have the same length", "check", [[1.0], [1.0, 2.0]], [1.0, 2.0])


def test_a_point_where_the_function_is_not_defined_is_named() -> None:
    wrong(r"f is not defined at this point, -1\.3", "check_derivative", lambda x: 1 / x, np.log)
    points = (0.5, 2.0)
    assert CHECKS["check_derivative"](lambda x: 1 / x, np.log, points=points) == "right"


def test_zeros_may_have_the_errors_of_rounding() -> None:
    assert CHECKS["check"](0.0, np.cos(np.pi / 2)) == "right"
    assert CHECKS["check_derivative"](lambda x: 5 * x**4, lambda x: x**5, points=(0.0,)) == "right"
    assert CHECKS["check_derivative"](np.cos, np.sin, points=(np.pi / 2,)) == "right"


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
    assert len(exercises) >= 3
    assert exercises == [f"{number}.{i}" for i in range(1, len(exercises) + 1)]
    solutions = SOLUTION.findall(page)
    assert len(solutions) == len(exercises)
    assert all(re.search(r"^check\w*\(", solution, re.MULTILINE) for solution in solutions)


MISTAKES = {
    "no return": ("derivatives-by-hand", "    return (-2 * x * u * v", "    (-2 * x * u * v"),
    "a missing factor 2": ("chain-rule", "g = 2 * (W @ v)", "g = W @ v"),
    "one path of two": ("chain-rule", "through_u + through_sine", "through_sine"),
    "replacing, not adding": ("reverse-mode", "g_u += g_sum * before", "g_u = g_sum * before"),
    "a kink in both parts": ("reverse-mode", "dl.where(x > 0, -x, x)", "-dl.abs(x)"),
    "a tape that replaces": ("tape", "cotangents[parent] +=", "cotangents[parent] ="),
    "three steps": ("tape", "for _ in range(40)", "for _ in range(3)"),
    "half the loss": ("tape", "loss + error * error", "loss + error * error * 0.5"),
    "a missing conjugate": ("complex-derivatives", "2j * np.conj(z)", "2j * z"),
    "the derivative of |Z|²": ("complex-derivatives", "< 2, 2 * Z, 0)", "< 2, Z, 0)"),
    "too few steps": ("complex-derivatives", "for _ in range(30)", "for _ in range(3)"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_wrong_answer_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lesson, right, mistake = MISTAKES[name]
    monkeypatch.syspath_prepend(COURSE)
    page = (COURSE / f"{lesson}.md").read_text(encoding="utf-8")
    assert page.count(right) == 1
    with pytest.raises(AssertionError, match=r"it must be about|is None"):
        run(page.replace(right, mistake))


def run(page: str) -> None:
    """Run the blocks of a page, one after the other."""
    scope: dict[str, Any] = {}
    for code in BLOCK.findall(page):
        examples = doctest.DocTestParser().get_examples(code)
        exec("".join(example.source for example in examples) if examples else code, scope)


def test_the_index_lists_every_lesson() -> None:
    assert {*LESSONS, "index.md"} == {path.name for path in COURSE.glob("*.md")}
