"""How layers are written as ONNX nodes, one file for each family."""
