"""The registered selections."""
