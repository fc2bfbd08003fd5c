"""`image_folder`: images in folders that are named after their classes, read when they are used."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.types import Array, Counts, Shape
from dlgradient.errors import InvalidArgumentError

__all__ = ["image_folder"]

_EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


class ImageFolder(Sequence[tuple[Array, int]]):
    """A dataset of images and the numbers of their classes.

    Attributes
    ----------
    class_names : list of str
        Names of the folders, sorted.
    files : list of pathlib.Path
    labels : numpy.ndarray of int
        For each file, the number of its class.
    """

    def __init__(
        self,
        files: list[Path],
        labels: Array,
        class_names: list[str],
        mode: str,
        size: Shape | None,
    ) -> None:
        self.files, self.labels, self.class_names = files, labels, class_names
        self._mode, self._size = mode, size

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: Any) -> Any:
        from PIL import Image

        path = self.files[i]
        try:
            with Image.open(path) as image:
                found = image.convert(self._mode)
                if self._size is not None:
                    found = found.resize((self._size[1], self._size[0]), Image.Resampling.BILINEAR)
                pixels = np.asarray(found)
        except OSError as error:
            raise InvalidArgumentError(
                f"image_folder: {path} is not an image that Pillow can read: {error}"
            ) from error
        return pixels.reshape(*pixels.shape[:2], -1), int(self.labels[i])

    def __repr__(self) -> str:
        return f"<{len(self)} images of {len(self.class_names)} classes>"


@checked
def image_folder(
    path: str | PathLike[str],
    *,
    output_size: Counts | None = None,
    color: Literal["rgb", "gray"] = "rgb",
) -> ImageFolder:
    """Return the images of a folder as a dataset, with a class for each folder in it.

    Parameters
    ----------
    path : str or path
        It has one folder for each class, with images at any depth.
    output_size : int or tuple of int, optional
        Height and width, or both in one number. Each image is resized to it, without regard to its
        proportions. The images of a batch need the same size.
    color : {"rgb", "gray"}
        Three channels, or one.

    Returns
    -------
    ImageFolder
        ``len(dataset)`` images. ``dataset[i]`` is an array of uint8 of shape (height, width,
        channels), and the number of its class in ``dataset.class_names``.

    Raises
    ------
    InvalidArgumentError
        If there is no such folder, or no image in it. If a file cannot be read, when it is used.

    See Also
    --------
    minibatchqueue : reads mini-batches of it
    trainnet : trains with it

    Notes
    -----
    Pillow reads the images; ``pip install dlgradient[images]`` installs it. Give
    ``preprocessing_environment="background"`` to read ahead in threads.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as name:
    ...     for kind, shade in (("dark", 20), ("light", 220)):
    ...         (pathlib.Path(name) / kind).mkdir()
    ...         Image.new("L", (8, 6), shade).save(pathlib.Path(name) / kind / "0.png")
    ...     dataset = dl.image_folder(name, color="gray")
    ...     image, label = dataset[1]
    >>> dataset.class_names, image.shape, int(image[0, 0, 0]), label
    (['dark', 'light'], (6, 8, 1), 220, 1)

    Source: MATLAB ``imageDatastore``.
    """
    size: Shape | None = None
    if output_size is not None:
        size = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
        if len(size) != 2 or min(size) < 1:
            raise InvalidArgumentError(
                f"image_folder: output_size must be a height and a width of at least 1, not {size}"
            )
    folder = Path(path)
    if not folder.is_dir():
        raise InvalidArgumentError(f"image_folder: path: there is no folder {folder}")
    classes = sorted(p for p in folder.iterdir() if p.is_dir())
    files: list[Path] = []
    labels: list[int] = []
    for number, kind in enumerate(classes):
        found = sorted(p for p in kind.rglob("*") if p.suffix.lower() in _EXTENSIONS)
        files += found
        labels += [number] * len(found)
    if not files:
        raise InvalidArgumentError(
            f"image_folder: path: {folder} has no folder with images; expected "
            f"{folder.name}/class/image.png, with one of {' '.join(_EXTENSIONS)}"
        )
    names = [kind.name for kind in classes]
    mode = "RGB" if color == "rgb" else "L"
    return ImageFolder(files, np.array(labels), names, mode, size)
