"""dl."""
from dlgradient import ops
from dlgradient.array import dlarray, dims, extractdata, finddim, isdlarray, stripdims
from dlgradient.trace import dlfeval
from dlgradient.gradient import dlgradient, dlvjp
from dlgradient.ops.arithmetic import *
from dlgradient.ops.choice import *
from dlgradient.ops.complex import *
from dlgradient.ops.exponential import *
from dlgradient.ops.logical import *
from dlgradient.ops.rounding import *
from dlgradient.ops.trigonometry import *
from dlgradient.ops.reduce import *
from dlgradient.derivatives import dljvp
