"""Verifies that a folder is the evaluated artefact: named checks that report every fault, not only the first."""
