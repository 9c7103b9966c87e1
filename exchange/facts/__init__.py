"""Stylised facts: what markets have in common, computed for the generated one and for recorded ones, and drawn."""
