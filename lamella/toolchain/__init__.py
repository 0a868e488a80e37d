"""Tools for layers and functions that need nothing but a Lambda endpoint."""
