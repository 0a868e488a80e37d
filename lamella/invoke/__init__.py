"""From a request to an answer: environments, the pool that keeps them, dispatch."""
