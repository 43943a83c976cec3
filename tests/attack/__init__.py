"""Attacks on the package, counted: `make attack` and `make fuzz`. A smaller part runs with the tests."""
