"""What the data report does not see: rows that are nearly equal, and what a person would not want to be learnt."""
