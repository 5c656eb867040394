"""A gateway: the public node that routes connections by name, unread, into the tunnels of links.

`api` is what links and Hives ask, `registering` and `pushing` what comes of it
in the group's database, `agent` makes router and tunnels be as the database
says, `serve` runs it all.
"""
