"""Public names of networks and training, loaded when the first one is used."""

from dlgradient.network.network import *
from dlgradient.network.onnx.exporter import *
from dlgradient.network.onnx.importer import *
from dlgradient.network.report import *
from dlgradient.network.saving import *
from dlgradient.network.table import *
from dlgradient.network.torch_weights import *
from dlgradient.train.adaptive import *
from dlgradient.train.clipping import *
from dlgradient.train.images import *
from dlgradient.train.info import *
from dlgradient.train.labels import *
from dlgradient.train.lbfgs import *
from dlgradient.train.monitor import *
from dlgradient.train.options import *
from dlgradient.train.predict import *
from dlgradient.train.queue import *
from dlgradient.train.sequences import *
from dlgradient.train.trainnet import *
from dlgradient.train.vectors import *
