"""Stores that an owner adds to a machine; they follow the one that keeps the heads."""
