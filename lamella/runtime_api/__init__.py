"""What a running function talks to, over a listener of its own."""
