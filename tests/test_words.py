"""The glossary of CONTRIBUTING.md holds: one word for each concept, in plain English.

Prose is what a reader sees: the pages, docstrings, comments and messages. Names are those of
functions, classes, arguments and attributes. What an ordinary sentence may say is not looked for.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MARKDOWN = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
PYTHON = [
    path
    for folder in ("src", "examples", "benchmarks", "tools")
    for path in sorted((ROOT / folder).rglob("*.py"))
]

# Second names of the glossary that are also ordinary words, or names of something else.
ORDINARY = {
    "bare",
    "cached",
    "flagged",
    "kept",
    "labels of an array",
    "location",
    "masked",
    "part",
    "piece",
    "plain",
    "position",
    "residual",  # of an equation
    "stripped",
    "sweep",  # over points
    "transpose",
}

# A turn of phrase, and what to write.
PHRASES = {
    r"behind(?! the user's back)": "after",
    r"beside": "next to, with, besides",
    r"nobody|anybody|whoever": "no one, or who it is",
    r"stands?(?! for)|stood": "is, appears",
    r"(leave|leaves|leaving) (\S+ ){1,2}away|left away": "omit",
    r"(has|have|had) not (a|an|any|one|the)": "does not have",
    r"belongs? into": "belongs in",
    r"of one's own": "your own, its own",
    r"(as|from|in|than) the original(?! \w)|the original page": "as in MATLAB",
    r"shall": "must, will",
    r"nought": "zero",
    r"(in|takes?|taking|took) the place of": "instead of, replaces",
    r"may be missing": "may be omitted, is optional",
    r"turned round": "reversed",
    r"in the mean(?! of| and| or)": "on average",
    r"be it": "even if it is",
}

# Names that are neither nouns nor verbs, and second names that only a name can have.
NAMES = {
    "again",
    "apart",
    "behind",
    "beside",
    "careful",
    "doubtful",
    "enough",
    "flagged",
    "is",
    "kept",
    "kept_values",
    "many",
    "one",
    "ours",
    "right",
    "so_far",
    "sweep",
    "ways",
}

# Files and folders where a phrase or a name may be, and why.
ALLOWED = {
    ("docs/coming-from", "unformatted"): "MATLAB's word",
    ("src/dlgradient/interop", "ours"): "a column of a table: NumPy's function, and ours",
    ("src/dlgradient/ops/interpolate.py", "right"): "NumPy's name of a parameter",
    ("docs/course", "tape"): "the word of textbooks",
    ("docs/glossary.md", "tape"): "the same",
    ("docs/start/how-it-works.md", "tape"): "the lesson of that name",
    ("docs/glossary.md", "primitive"): "a word of other libraries",
    ("docs/glossary.md", "upstream gradient"): "the same",
    ("docs/glossary.md", "unformatted"): "MATLAB's word",
    ("benchmarks", "ours"): "a contestant, as torch and jax are",
}

MAX_WORDS = 25

# Lines of a docstring between its sentences; three spaces separate columns of a table.
NO_PROSE = re.compile(r">>> |\.\.\.|---|===|[\w*, ]+ : |Source: |.*\S {3,}\S")

QUOTES = re.compile(r"""^[rbfuRBFU]*["']+|["']+$""")


class Text(NamedTuple):
    """Prose, and the line where it begins."""

    line: int
    text: str


# -- what there is to read -----------------------------------------------------------------------


def glossary() -> dict[str, list[str]]:
    """Read the table of words: each with its second names."""
    section = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("\n## Words\n")[2]
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| ?([^|]*?) ?\|$", section, re.MULTILINE)
    assert rows[0] == ("word", "not")
    return {word: [name for name in re.split(r", ", names) if name] for word, names in rows[1:]}


def second_names() -> dict[str, str]:
    """Return the second names that are looked for, and the right word of each."""
    return {
        name: word for word, names in glossary().items() for name in names if name not in ORDINARY
    }


def prose_of_page(page: str) -> Iterator[Text]:
    """Yield the lines of a Markdown page outside blocks of code and formulas, and the glossary."""
    inside = False
    for line, text in enumerate(page.splitlines(), 1):
        fence = text.strip()
        if fence.startswith("```") or (fence.startswith("$$") != fence.endswith("$$")):
            inside = not inside
        elif not inside and not fence.startswith("$$"):
            yield Text(line, text)


def prose_of_module(source: str) -> Iterator[Text]:
    """Yield comments and strings; what follows directly is one text, as a reader reads it."""
    parts: list[tuple[int, int, str]] = []  # first line, last line, text
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        if kind not in ("COMMENT", "STRING", "FSTRING_MIDDLE"):
            continue
        text = token.string.lstrip("# ") if kind == "COMMENT" else QUOTES.sub("", token.string)
        if parts and token.start[0] <= parts[-1][1] + 1:
            first, _, before = parts.pop()
            parts.append((first, token.end[0], f"{before.rstrip()} {text}"))
        else:
            parts.append((token.start[0], token.end[0], text))
    return (Text(first, text) for first, _, text in parts)


def names_of_module(tree: ast.Module) -> Iterator[Text]:
    """Yield the names that a module gives to functions, classes, arguments and attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
                yield Text(node.lineno, name)
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield Text(node.lineno, name)


def unreleased(changelog: str) -> str:
    """Return the part of the changelog that is not history yet."""
    return re.split(r"^## \[\d", changelog, maxsplit=1, flags=re.MULTILINE)[0]


# -- what must not be there ----------------------------------------------------------------------


def wrong_phrases(texts: Iterator[Text]) -> Iterator[tuple[int, str, str]]:
    """Yield line, phrase and the better one."""
    wanted = {**PHRASES, **{rf"{re.escape(name)}s?": word for name, word in second_names().items()}}
    patterns = {re.compile(rf"\b(?:{p})\b", re.IGNORECASE): word for p, word in wanted.items()}
    for first, text in texts:
        flowing = re.sub(r"\n[ \t]*", "\n", text)
        for pattern, word in patterns.items():
            for found in pattern.finditer(flowing.replace("\n", " ")):
                yield first + flowing.count("\n", 0, found.start()), found[0].lower(), word


def wrong_names(names: Iterator[Text]) -> Iterator[tuple[int, str, str]]:
    """Yield line, name and what is wrong with it."""
    seconds = second_names()
    for line, name in names:
        plain = name.strip("_")
        if plain in NAMES:
            yield line, plain, "a noun, a verb, or the word of the glossary"
        for part in plain.split("_"):
            if part in seconds:
                yield line, part, seconds[part]


def complaints(path: Path) -> list[str]:
    """List what is wrong in a file."""
    where = path.relative_to(ROOT).as_posix()
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        found = [
            *wrong_phrases(prose_of_module(text)),
            *wrong_names(names_of_module(ast.parse(text))),
        ]
    else:
        found = [*wrong_phrases(prose_of_page(unreleased(text)))]
    if where == "CONTRIBUTING.md":
        first = text[: text.index("| word |")].count("\n") + 1
        found = [f for f in found if not first <= f[0] <= first + len(glossary()) + 1]
    return [
        f"{where}:{line}: {phrase!r} (write: {word})"
        for line, phrase, word in sorted(found)
        if not any(phrase == allowed and is_in(where, place) for place, allowed in ALLOWED)
    ]


def is_in(where: str, place: str) -> bool:
    """Tell whether a file is the place, or in that folder."""
    return where == place or where.startswith(f"{place}/")


@pytest.mark.parametrize(
    "path",
    [*MARKDOWN, *PYTHON],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_words(path: Path) -> None:
    assert complaints(path) == []


def test_every_second_name_is_looked_for_or_ordinary() -> None:
    names = [name for names in glossary().values() for name in names]
    assert len(names) == len(set(names))
    assert set(names) >= ORDINARY
    assert set(names).isdisjoint(glossary())
    assert {"label rule", "unformatted", "tape"} <= set(second_names())


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("The gates, one behind the other.", "behind"),
        ("Where the new dimension stands in the result.", "stands"),
        ("Weights may leave data_format\naway.", "leave data_format away"),
        ("The last of several unformatted operands.", "unformatted"),
        ("An operation has a label\n  rule.", "label rule"),
        ("As in the original, it shows sizes.", "as in the original"),
    ],
)
def test_a_wrong_phrase_is_found(text: str, phrase: str) -> None:
    expected = phrase if phrase != "as in the original" else "in the original"
    assert [found for _, found, _ in wrong_phrases(iter([Text(1, text)]))] == [expected]
    assert [found for _, found, _ in wrong_phrases(prose_of_module(f'x = """{text}"""'))] == [
        expected
    ]


@pytest.mark.parametrize(
    "text",
    [
        "The letter t stands for the tangent.",
        "It was converted behind the user's back.",
        "The result has not been computed.",
        "In the mean of the rows; the original order is restored.",
    ],
)
def test_an_ordinary_sentence_is_not_found(text: str) -> None:
    assert list(wrong_phrases(iter([Text(1, text)]))) == []


def test_a_phrase_is_found_over_two_literals_and_its_line_is_named() -> None:
    source = 'x = 1\ny = f("the dimensions in front and "\n      f"behind {x}")\n'
    assert [found for _, found, _ in wrong_phrases(prose_of_module(source))] == ["behind"]
    page = "first\n\n```text\nbehind\n```\nit stands here\n"
    assert list(wrong_phrases(prose_of_page(page))) == [(6, "stands", "is, appears")]


def test_a_wrong_name_is_found() -> None:
    tree = ast.parse("def _ours(beside): ...\nclass A:\n    def kept(self): self.tape = 1\n")
    found = [name for _, name, _ in wrong_names(names_of_module(tree))]
    assert sorted(found) == ["beside", "kept", "ours", "tape"]


# -- sentences -----------------------------------------------------------------------------------


def sentences(page: str) -> Iterator[Text]:
    """Yield the sentences of a page, without code, tables, headings and pictures."""
    paragraphs: list[Text] = []
    gap = True
    for line, text in prose_of_page(page):
        stripped = text.strip()
        if not stripped or stripped[0] in "|#!":
            gap = True
            continue
        item = re.match(r"[*-] |\d+\. ", stripped)
        if item or gap:
            paragraphs.append(Text(line, stripped[item.end() :] if item else stripped))
        else:
            first, before = paragraphs.pop()
            paragraphs.append(Text(first, f"{before} {stripped}"))
        gap = False
    for line, text in paragraphs:
        for sentence in re.split(
            r"(?<=[.!?:])\**\s+| · ", re.sub(r"``[^`]*``|`[^`]*`|\$[^$]*\$", "CODE", text)
        ):
            yield Text(line, sentence)


def length(sentence: str) -> int:
    """Count the words; a run of code, as in a list of names, is one."""
    return len(
        re.findall(r"[\w'-]*[A-Za-z][\w'-]*", re.sub(r"CODE(,? (and )?CODE)+", "CODE", sentence))
    )


def docstrings(tree: ast.Module) -> Iterator[str]:
    """Yield the docstrings of a module as pages, without examples and names of parameters."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
            lines = [line.strip() for line in (ast.get_docstring(node) or "").splitlines()]
            yield "\n".join("" if NO_PROSE.match(line) else line for line in lines)


@pytest.mark.parametrize(
    "path",
    [*PAGES, *PYTHON],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_sentences_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    pages = docstrings(ast.parse(text)) if path.suffix == ".py" else [text]
    found = [s for page in pages for s in sentences(page) if length(s.text) > MAX_WORDS]
    assert [f"{path.name}: {s.text}" for s in found] == []


def test_a_sentence_is_counted() -> None:
    page = (
        "# Title\n\nOne two `f(x)`, `g` and\nthree. Four.\n\n| five |\n\n* Seven: eight.\n* Nine\n"
    )
    texts = [text for _, text in sentences(page)]
    assert texts == ["One two CODE, CODE and three.", "Four.", "Seven:", "eight.", "Nine"]
    assert [length(text) for text in texts] == [5, 1, 1, 1, 1]
