"""The registered procedures."""
