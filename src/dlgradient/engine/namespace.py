"""Derivatives of every kind, which are loaded when one is used."""

from dlgradient.engine.checkpoint import *
from dlgradient.engine.hessian import *
from dlgradient.engine.jacobian import *
from dlgradient.engine.vmap import *
