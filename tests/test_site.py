"""The documentation's address is one, the README works anywhere, and the site is checked."""

import importlib.util
import re
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

from dlgradient.errors import DOCUMENTATION

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
ADDRESSES = re.findall(r"(?:\]\(|^\[\w+\]: )(\S+?)(?:\)|$)", README, re.MULTILINE)


@pytest.fixture
def check():
    spec = importlib.util.spec_from_file_location("check_site", ROOT / "tools" / "check_site.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def source(address):
    """Return the file that an address of this project shows."""
    for start, folder in (
        (DOCUMENTATION, ROOT / "docs"),
        (f"{URLS['Source']}/blob/main/", ROOT),
        (f"{URLS['Source']}/main/".replace("//github.com", "//raw.githubusercontent.com"), ROOT),
    ):
        if address.startswith(start):
            return folder / (address.removeprefix(start) or "index.html").replace(".html", ".md")
    raise AssertionError(f"{address} is not an address of this project")


def test_the_documentation_has_one_address():
    assert URLS["Documentation"] == DOCUMENTATION


@pytest.mark.parametrize("address", [*ADDRESSES, URLS["Changelog"]])
def test_addresses_lead_to_files(address):
    # A package index shows the README without the files next to it.
    assert source(address).exists()


def test_addresses_of_the_readme_are_found():
    assert len(ADDRESSES) > 10


def test_references_of_the_readme_have_addresses():
    used = set(re.findall(r"\]\[(\w+)\]", README))
    assert used == set(re.findall(r"^\[(\w+)\]: ", README, re.MULTILINE))


@pytest.mark.parametrize(
    ("page", "loaded"),
    [
        ('<script src="https://cdn.example.org/x.js"></script>', "https://cdn.example.org/x.js"),
        ('<link rel="stylesheet" href="//fonts.example.org/a">', "//fonts.example.org/a"),
        ('<img src="http://example.org/a.png">', "http://example.org/a.png"),
    ],
)
def test_what_another_host_has_is_found(check, tmp_path, page, loaded):
    (tmp_path / "index.html").write_text(page)
    assert list(check.elsewhere(tmp_path)) == [f"index.html loads {loaded}"]


def test_a_style_sheet_with_a_font_from_elsewhere_is_found(check, tmp_path):
    (tmp_path / "a.css").write_text("@font-face { src: url('https://example.org/f.woff2') }")
    assert list(check.elsewhere(tmp_path)) == ["a.css loads https://example.org/f.woff2"]


def test_links_and_files_of_the_site_are_fine(check, tmp_path):
    page = (
        '<a href="https://example.org">x</a><img src="_images/a.png"><script src="a.js"></script>'
    )
    (tmp_path / "index.html").write_text(page)
    (tmp_path / "a.css").write_text("a { background: url(data:image/png;base64,x) }")
    assert list(check.elsewhere(tmp_path)) == []


def test_a_missing_door_and_a_missing_page_are_found(check, tmp_path):
    (tmp_path / "index.html").write_text('<a href="coming-from/matlab.html">MATLAB</a>')
    faults = list(check.missing(tmp_path))
    assert "index.html has no link to coming-from/numpy.html" in faults
    assert "the gallery has no page of rosenbrock.py" in faults
    assert not [fault for fault in faults if "matlab" in fault or "figures.py" in fault]


def test_an_archive_without_the_modules_that_its_script_imports_is_found(check, tmp_path):
    (tmp_path / "index.html").write_text("")
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / "rosenbrock.html").write_text("")
    folder = tmp_path / "_downloads" / "1"
    folder.mkdir(parents=True)
    with ZipFile(folder / "rosenbrock.zip", "w") as file:
        file.writestr("rosenbrock.py", "import figures")
        file.writestr("figures.py", "")
    assert "_downloads/1/rosenbrock.zip lacks runs.py, writing.py" in list(check.missing(tmp_path))
