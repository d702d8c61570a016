"""Fast layers: encoder and residual layers in fewer operations, with the same mathematics."""
