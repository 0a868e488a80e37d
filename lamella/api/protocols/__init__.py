"""How services beside Lambda are spoken to: one module a protocol, each made from botocore's model."""
