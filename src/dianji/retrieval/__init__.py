"""Search: documents cut into passages, ranked by BM25, by vectors or by both, and kept as an artefact."""
