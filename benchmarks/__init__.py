"""What the promises about time and memory come to on this machine: `make bench`."""
