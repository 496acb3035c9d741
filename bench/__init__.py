"""Measurements. Each prints a table and its ratios; `nox -s bench` runs them."""
