"""Pooling, to windows of a given size or to a given number of windows."""
