"""IAM: roles and policies are kept and shown; nothing here is decided by them."""
