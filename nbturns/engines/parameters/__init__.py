"""Parameters and settings of a model call, for each provider."""
