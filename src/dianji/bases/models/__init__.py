"""Architectures of our own. Importing this package registers them with transformers' Auto classes."""
