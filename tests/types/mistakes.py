"""Realistic mistakes, one in each line with the comment `mistake`. Type checkers must find them."""

from typing import Any

import numpy as np

import dlgradient as dl

x = dl.dlarray([1.0, 2.0])
w = dl.dlarray(np.ones((2, 2)))
model = {"w": w, "b": x}


def report(*things: Any) -> None:
    print(*things)  # noqa: T201


def loss(p: dl.dlarray, scale: float = 1.0) -> tuple[dl.dlarray, dl.dlarray]:
    y = (p * p * scale).sum()
    return y, dl.dlgradient(y, p)


def fit(params: dict[str, dl.dlarray]) -> dict[str, dl.dlarray]:
    y = (params["w"] @ params["b"]).sum()
    return dl.dlgradient(y, params)


# dlarray
report(x.shap)  # mistake
x.sum(dim=0)  # mistake
x.mean(axis="rows")  # mistake
x.reshape("2")  # mistake
dl.dlarray([1.0], 3)  # mistake
dl.dlarray([1.0], dtype=np.float32)  # mistake
x + None  # mistake
x @ "2"  # mistake
x.backward()  # mistake
dl.dims("CB")  # mistake

# dlfeval
dl.dlfeval(loss(x))  # mistake
dl.dlfeval(loss)  # mistake
dl.dlfeval(loss, x, "2")  # mistake
dl.dlfeval(loss, x, size=2.0)  # mistake
value: float = dl.dlfeval(loss, x)  # mistake
a, b, c = dl.dlfeval(loss, x)  # mistake
dl.dlfeval(fit, [x])  # mistake


# dlgradient
def gradients(p: dl.dlarray, q: dl.dlarray) -> None:
    y = (p * q).sum()
    dl.dlgradient(y)  # mistake
    dl.dlgradient(loss, p)  # mistake
    dl.dlgradient(y, p, retain_graph=True)  # mistake
    dl.dlgradient(y, p, retain_data="yes")  # mistake
    gp, gq, gr = dl.dlgradient(y, p, q)  # mistake
    report(gp, gq, gr)
    both: dl.dlarray = dl.dlgradient(y, p, q)  # mistake
    report(both)
    dl.dlgradient(y, p).items()  # mistake


# functions, updates and operations
@dl.define_operation("elementwize", x=lambda t, x: 2 * t * x)  # mistake
def twice(x: Any, /) -> Any:
    return x * x


dl.mse(x, x, reduction="mea")  # mistake
dl.maxpool(w)  # mistake


def step(params: dict[str, dl.dlarray]) -> dict[str, dl.dlarray]:
    return dl.sgdmupdate(params, params)  # mistake
