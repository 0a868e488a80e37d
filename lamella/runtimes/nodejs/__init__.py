"""The Node.js runtimes: a small client of our own to AWS's contract."""
