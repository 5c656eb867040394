"""The Console: the Hive's web interface.

Pages are written by the server and work without JavaScript; scripts only make
them fresher, and derive keys. What can be seen and done is `mosaic.hive.views`
and `mosaic.hive.actions`, the same as for the API. Start at `routes`.
"""
