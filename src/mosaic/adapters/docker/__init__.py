"""The Docker engine: `engine` asks it through the SDK, `compose` builds the argv for `docker compose`."""
