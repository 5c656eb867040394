"""One module for each place of the Console; each lists its `handlers`."""
