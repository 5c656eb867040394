"""A gateway's public TCP and UDP ports that lead, unread, into tunnels: `relay` is its door."""
