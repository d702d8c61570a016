"""The folder a stage leaves, and the proof that it is the model that was evaluated."""
