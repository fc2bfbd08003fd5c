"""The gallery: every script of ``examples/`` as a page with its pictures, and as a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import ZipFile

from sphinx.application import Sphinx

EXAMPLES = Path(__file__).parents[2] / "examples"
HELPERS = ("figures", "runs", "writing")  # modules that the scripts import

# From the first gradient to networks. A script that is not in the list is an error.
ORDER = [
    "rosenbrock",
    "complex_gradient",
    "higher_order",
    "containers",
    "retain_data",
    "scipy_minimize",
    "curve_fits",
    "digits_cnn",
    "digits_trainnet",
    "char_lstm",
    "neural_ode",
    "burgers_pinn",
    "fourier_operator",
    "wgan_gp",
    "gan",
    "vae",
    "siamese",
    "two_inputs",
    "vowels",
    "transformer",
    "robust_lstm",
    "poisson_pinn",
    "transfer_learning",
    "text_direction",
]


class Order:
    """The key by which the gallery sorts the scripts."""

    def __init__(self, _folder: str) -> None: ...

    def __call__(self, file: str) -> int:
        """Return the place of a script."""
        return ORDER.index(Path(file).stem)


def arguments(_gallery_conf: dict[str, Any], script_vars: dict[str, Any]) -> list[str]:
    """Train the long examples in their small size; an hour of training is no part of a build."""
    return ["--small"] if "runs.small" in Path(script_vars["src_file"]).read_text() else []


def first_cell() -> str:
    """Return a cell that makes a downloaded notebook complete: it writes the helpers' modules."""
    lines = ["# The modules that the examples share.", "from pathlib import Path"]
    for name in HELPERS:
        text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
        lines.append(f"Path(\"{name}.py\").write_text(r'''{text}''')")
    return "\n\n".join(lines)


def complete(app: Sphinx) -> None:
    """Add the helpers' modules to the archive of each example, whose script imports them."""
    for archive in sorted((Path(app.srcdir) / "gallery").glob("*.zip")):
        with ZipFile(archive, "a") as file:
            for name in HELPERS:
                if f"{name}.py" not in file.namelist():
                    file.write(EXAMPLES / f"{name}.py", f"{name}.py")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register it."""
    app.connect("builder-inited", complete, priority=900)  # after sphinx-gallery
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


GALLERY: dict[str, Any] = {
    "examples_dirs": [str(EXAMPLES)],
    "gallery_dirs": ["gallery"],
    "filename_pattern": r"\.py$",  # all are run
    "ignore_pattern": rf"({'|'.join(HELPERS)})\.py$",
    "within_subsection_order": "gallery.Order",
    "reset_argv": "gallery.arguments",
    "first_notebook_cell": first_cell(),
    "download_all_examples": False,
    "write_computation_times": False,
    "capture_repr": (),  # what a script prints, and nothing else
}
