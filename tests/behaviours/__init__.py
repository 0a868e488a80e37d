"""How every language behaves: one table of AWS's rules, each cell a real invocation."""
