"""Doors for users of older software."""
