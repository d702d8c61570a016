"""The parts of benchmarks that compute nothing but verdicts."""
