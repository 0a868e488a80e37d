"""What a cold start costs, measured in real boxes and told by layer, package and module."""
