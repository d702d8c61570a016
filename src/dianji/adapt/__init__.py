"""Adaptations: which weights learn."""
