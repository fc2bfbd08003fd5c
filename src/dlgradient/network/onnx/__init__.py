"""Networks from ONNX files, and ONNX files of networks.

An imported network has one layer for each node of the file, an `Operator`. It computes on arrays
without a format, in ONNX's order of dimensions, as the standard says. That is simple and right for
every model, whatever its dimensions mean. Shapes are computed in each call, so the size of a batch
is free. Floating-point weights of a node are learnables of its layer. A weight that several nodes
use belongs to the first one, and goes to the others through an output. Nodes that depend on
constants only are computed at the import.

Results of two, four or five dimensions are labelled "BC", "BCSS" and "BCSSS", which is what they
mean in almost all models. So a layer of the library, or a loss, may follow an imported layer.

* `importer`: the public function.
* `reading`: from bytes to a checked model; nothing in a file is trusted.
* `building`: from a model to a graph of layers.
* `operator`, `registry`: the layer, and the table of operators.
* `operators`: the operators, one file for each family.
"""
