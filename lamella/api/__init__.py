"""The AWS face: HTTP in, one operation, HTTP out."""
