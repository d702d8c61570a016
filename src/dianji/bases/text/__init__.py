"""Text architectures to start from scratch."""
