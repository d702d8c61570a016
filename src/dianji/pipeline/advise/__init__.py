"""Advice: candidates are timed on a part of the data, ranked, and compared with a budget."""
