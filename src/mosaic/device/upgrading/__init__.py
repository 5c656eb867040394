"""A Device that is replaced by another version of itself. See decision 55."""
