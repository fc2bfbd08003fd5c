"""Machine code on disk: what is found, and what must not be used."""

import os
import subprocess
import sys
import warnings
from multiprocessing import get_context

import pytest

from dlgradient.native import store

CODE = b"machine code"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    path = tmp_path / "code"
    monkeypatch.setenv("DLGRADIENT_CACHE", str(path))
    store._folder.cache_clear()
    yield path
    store._folder.cache_clear()


def only_file(folder):
    (file,) = folder.iterdir()
    return file


def test_what_was_saved_is_loaded(folder):
    assert store.load("source") is None
    store.save("source", CODE)
    assert store.load("source") == CODE
    assert store.load("another source") is None
    assert (folder.stat().st_mode & 0o777, len(list(folder.iterdir()))) == (0o700, 1)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content + b"x",
        lambda content: content[:3],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: bytes([content[0] ^ 1]) + content[1:],
    ],
)
def test_a_damaged_file_is_not_used_and_replaced(folder, damage):
    store.save("source", CODE)
    file = only_file(folder)
    file.write_bytes(damage(file.read_bytes()))
    assert store.load("source") is None
    store.save("source", CODE)
    assert store.load("source") == CODE


def test_a_file_under_a_foreign_name_is_not_used(folder):
    store.save("source", CODE)
    content = only_file(folder).read_bytes()
    only_file(folder).unlink()
    store.save("other", CODE)
    only_file(folder).write_bytes(content)
    assert store.load("other") is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_a_folder_that_others_can_write_to_is_not_used(folder):
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.warns(RuntimeWarning, match=r"others can write to it; chmod 700"):
        assert store.load("source") is None
    store.save("source", CODE)  # without another warning
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such owners")
def test_a_folder_of_another_user_is_not_used(folder, monkeypatch):
    folder.mkdir(0o700)
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    with pytest.warns(RuntimeWarning, match="belongs to another user"):
        assert store.load("source") is None


def test_a_folder_that_cannot_be_made_is_one_warning(folder):
    folder.write_text("a file")
    with pytest.warns(RuntimeWarning, match=r"cannot be used .* set DLGRADIENT_CACHE"):
        assert store.load("source") is None
    store.save("source", CODE)  # without another warning
    assert store.load("source") is None


def test_a_folder_that_is_gone_costs_no_error(folder):
    store.save("source", CODE)
    only_file(folder).unlink()
    folder.rmdir()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.save("source", CODE)
        assert store.load("source") is None


def test_the_oldest_files_are_removed(folder, monkeypatch):
    monkeypatch.setattr(store, "MAX_FILES", 4)
    for i in range(5):
        store.save(str(i), CODE)
        for file in folder.iterdir():  # each is a second older than the next
            os.utime(file, (file.stat().st_atime, file.stat().st_mtime - 1))
    assert [store.load(str(i)) for i in range(5)] == [None, None, None, CODE, CODE]


def save_often(source):
    for _ in range(30):
        store.save(source, CODE)
        assert store.load(source) == CODE


def test_processes_race_for_one_file(folder):
    children = [get_context("spawn").Process(target=save_often, args=("source",)) for _ in "ab"]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    assert [file.suffix for file in folder.iterdir()] == [".kernel"]


def test_the_folder_of_the_user(monkeypatch, tmp_path):
    pytest.importorskip("llvmlite")
    monkeypatch.delenv("DLGRADIENT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    code = "from dlgradient.native import store; store.save('a', b'b'); print(store._folder())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    if sys.platform == "linux":
        assert done.stdout.strip() == str(tmp_path / "dlgradient")
