"""Normalization over batches, observations and groups of channels."""
