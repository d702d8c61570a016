"""The registered processors."""
