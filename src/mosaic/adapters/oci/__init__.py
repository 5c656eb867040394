"""The one door to OCI registries: images, packages and what is attached to them, fetched and pushed."""
