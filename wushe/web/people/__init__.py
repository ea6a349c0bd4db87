"""The desk pages of people."""
