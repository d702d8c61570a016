"""Kernels in C for what torch has none for: compiled once on the machine that uses them, if it has a compiler."""
