"""Volumes in a bucket of an S3 store. Only `bucket` knows the library that speaks to it."""
