from typing import Any
def ufunc(u: Any, m: Any, i: Any, k: Any) -> Any:
    from dlgradient.rules import OPS
    for o in OPS.values():
        if o.numpy is u: return o.call(*i)
    return NotImplemented
def function(f: Any, a: Any, k: Any) -> Any: return NotImplemented
def bind_methods(c: Any) -> None:
    from dlgradient.rules import FUNCTIONS
    c.sum = FUNCTIONS["sum"]
    c.__getitem__ = FUNCTIONS["getitem"]
