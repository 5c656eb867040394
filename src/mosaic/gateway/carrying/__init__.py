"""What carries a gateway's bytes, joined to the contracts of `gateway.parts`: `opening` is its door."""
