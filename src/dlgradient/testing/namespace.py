"""Public names of the package that are tests, loaded when the first one is used."""

from dlgradient.testing.layer_checks import *
