"""Bases: backbones with their processors and cards."""
