"""Tools that the families of deep-learning functions share: arguments, windows, sums, chunks."""
