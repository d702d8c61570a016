"""The folder that a stage writes, and the proof that it holds the evaluated model."""
