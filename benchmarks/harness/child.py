"""The script of a `children.Child`: calls the function that is pickled in its input."""

import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])
    # Threads and cores are those of the parent, after its `machine.prepare`.
    function, arguments = pickle.load(sys.stdin.buffer)
    result = function(*arguments)
    for answer in result if isinstance(result, Iterator) else [result]:
        sys.stdin.readline()  # whose turn it is
        print(json.dumps(answer), flush=True)
