"""One module a noun, one function an operation, named as in AWS's API reference."""
