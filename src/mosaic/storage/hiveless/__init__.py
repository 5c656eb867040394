"""Volumes of `docker volume create -d mosaic -o store=…`, which no Hive and no Device know of."""
