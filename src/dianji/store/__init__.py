"""What was done, by digest. Needs no torch."""
