"""Losses of regression, classification, similarity and alignment."""
