"""Links of this Hive: their names, their tokens' hashes, and what its gateways are told of them."""
