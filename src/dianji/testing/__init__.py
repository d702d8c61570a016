"""What the author of a component gets: toys, and a contract test for each kind."""
