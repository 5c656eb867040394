"""A gateway group's database: what its Hives want, which links registered, which gateways live.

All gateways of a group have the same one. Its tables begin with `gw_` and have
a version table of their own, so that they can lie beside a Hive's in one
PostgreSQL database. Every change of what is routed is numbered (`changes`), so
that each gateway can tell what it has not seen yet.
"""
