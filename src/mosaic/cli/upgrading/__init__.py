"""Another version of Mosaic on a Hive's machine: tried, and put back when it is not well."""
