"""Wushe (五社): the open platform on which a district runs the Five-Society Linkage (五社联动)."""

__version__ = "0.1.0"
