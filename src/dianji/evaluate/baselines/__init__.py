"""The registered baselines: cheap models that know nothing of the base, fitted in seconds with plain settings."""
