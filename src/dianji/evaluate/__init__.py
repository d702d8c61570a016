"""Metrics with intervals, per-class figures and baselines."""
