"""Functions: created, configured, published as versions."""
