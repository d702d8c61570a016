"""What comes before the first weight that learns: found, computed once, kept, put back in its place."""
