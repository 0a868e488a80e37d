"""A process in a box. Nothing here has heard of Lambda."""
