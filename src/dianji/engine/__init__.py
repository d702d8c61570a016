"""How training is done: the loop and its parts."""
