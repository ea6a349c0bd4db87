"""The public face: home, what the five societies are, and the visitor's two preferences."""
