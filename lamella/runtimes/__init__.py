"""How each language starts."""
