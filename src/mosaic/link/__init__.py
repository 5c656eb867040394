"""The program of a link's container: a supervisor of a tunnel and a Caddy (decision 60)."""
