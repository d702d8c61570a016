"""Is this folder what was evaluated? Named checks that tell everything that is wrong, not only the first thing."""
