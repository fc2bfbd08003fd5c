"""Public names of networks. The package loads this module when the first one is used."""

from dlgradient.network.network import *
