"""Fully connected layers, embeddings and dropout."""
