"""What the longer examples share: a small size for a quick look, and a progress bar."""

import argparse
from collections.abc import Iterator


def small(description: str) -> bool:
    """Return whether the command line has ``--small``; `description` is the text of ``--help``."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="a smaller problem")
    return parser.parse_known_args()[0].small  # a notebook has arguments of its own


def steps(count: int, what: str) -> Iterator[int]:
    """Return the numbers from 1 to `count`, with a progress bar if rich is installed."""
    numbers = range(1, count + 1)
    try:
        from rich.console import Console
        from rich.progress import track
    except ImportError:
        return iter(numbers)
    # On standard error, so that what an example prints can be redirected to a file.
    console = Console(stderr=True)
    return iter(track(numbers, what, console=console, disable=not console.is_terminal))
