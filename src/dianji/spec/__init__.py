"""The recipe: its sections, and how they are read, checked, filled and described. No torch."""
