"""Values as plain data, YAML and JSON, and back."""
