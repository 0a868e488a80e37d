"""The Python runtimes: AWS's awslambdaric with a client module of our own beneath it."""
