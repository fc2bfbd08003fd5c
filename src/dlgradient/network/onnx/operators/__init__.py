"""The operators of the ONNX standard, one file for each family."""
