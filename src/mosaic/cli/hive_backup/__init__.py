"""The Hive's own database and keys, kept in a store as one more encrypted volume, and brought back from there.

A short-lived process: the Hive starts it when something changed, so that a
Hive that rests carries nothing of the engine in memory. It lies above the
services because it needs the engine of one (`storage`) and the state folder
of another (`hive`), which are strangers to one another.
"""
