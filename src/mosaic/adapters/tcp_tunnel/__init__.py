"""TCP mode: a link without any privilege opens connections ahead, and its gateway spends one on each visitor.

`server` is the gateway's end, `client` the link's. What passes on a connection is
said in `core.tunnel_hello` and `core.tunnel_frames`; how bytes pass in `adapters.splicing`.
"""
