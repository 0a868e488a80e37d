"""Rows: layers, layer versions, policies, functions and what refers to which bytes."""
