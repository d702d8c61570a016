"""Techniques: parts that change a training step or listen to it."""
