"""dl."""
from dlgradient import ops
from dlgradient.array import dlarray, dims, extractdata, finddim, isdlarray, stripdims
from dlgradient.trace import dlfeval
from dlgradient.gradient import dlgradient, dlvjp
from dlgradient.ops.elementwise import *
from dlgradient.ops.reduce import *
from dlgradient.derivatives import dljvp
