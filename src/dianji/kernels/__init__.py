"""Faster forms of what models compute: compiled kernels, and layers that use them. Optional; see docs/kernels.md."""
