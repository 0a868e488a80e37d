"""Lamella runs AWS Lambda functions and layers on machines you own."""

__version__ = "0.1.0"
