"""Finished steps by digest, and their record. Needs no torch."""
