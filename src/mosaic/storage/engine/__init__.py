"""The on-disk format of volumes and the engine that writes and reads it.

`replicate` carries a read-only snapshot to a store, `restore` brings a root
back into a folder, `verify` reads everything that a root reaches. The bytes
are described in docs/format.md. Which snapshot becomes a head, and when, is
left to the storage daemon.
"""
