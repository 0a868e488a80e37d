"""The core: archives, versions, what a function may attach, and what becomes /opt."""
