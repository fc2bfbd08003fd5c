"""Recurrent layers: lstm and gru."""
