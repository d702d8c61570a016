"""Image architectures to start from scratch."""
