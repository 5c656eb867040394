"""Mosaic: self-hosted apps that survive the death of their machine."""

__version__ = "0.1.0"
