"""The lean path: encoder layers in fewer operations, with the same mathematics."""
