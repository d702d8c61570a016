"""From a recipe to steps, from steps to artefacts."""
