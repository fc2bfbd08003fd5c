"""The functions of whole Jacobians and Hessians, which are loaded when one is used."""

from dlgradient.engine.hessian import *
from dlgradient.engine.jacobian import *
from dlgradient.engine.vmap import *
