"""Sources: one format of rows per file, found by the registry."""
