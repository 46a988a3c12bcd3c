"""The requests that the service answers under /v1, one module per kind."""
