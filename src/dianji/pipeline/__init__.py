"""Plans a recipe as steps, and runs the steps to artefacts."""
