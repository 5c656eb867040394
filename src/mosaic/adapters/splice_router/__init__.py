"""A gateway's router in Python alone: `router` is its door, for where HAProxy is not wanted."""
