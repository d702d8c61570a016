"""The part of a model before the first weight that learns: found, computed once, stored, replayed."""
