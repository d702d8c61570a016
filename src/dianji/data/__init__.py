"""Rows from any source to checked, cleaned, divided and reported tables. No torch."""
