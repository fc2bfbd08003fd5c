"""The public names of this room, which `dlgradient` takes over when one is used."""

from dlgradient.program.accelerate import *
from dlgradient.program.listing import *
