"""The Docker engine: `engine` is its door, `api` its questions, `compose` the words of `docker compose`."""
