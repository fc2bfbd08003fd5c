"""What the families of deep-learning functions share: arguments, windows, sums, blocks."""
