"""The names of the variables that a link knows. What they mean is `link_settings`'s to say."""

TOKENS = ("LINK_TOKEN", "TOKEN", "LINK_TOKEN_DEFAULT")

SECRETS = (*TOKENS, "LINK_BASIC_AUTH")
"""Variables that a `_FILE` may stand for. Nothing that is started is given any of them."""

_OPEN = (
    "LINK_DOMAIN", "LINK", "LINK_DOMAIN_DEFAULT", "LINK_EXPOSE", "EXPOSE", "LINK_GATEWAY", "FRACTAL_API",
    "LINK_GATEWAY_CA", "LINK_LAN", "LINK_MODE", "LINK_TLS", "LINK_ACME_CA", "LINK_ACME_ROOT", "LINK_EMAIL",
    "LINK_EPOCH", "LINK_ALLOW", "LINK_FORWARD_AUTH", "LINK_FORWARD_AUTH_HEADERS", "LINK_FORWARD_AUTH_OWN_PATH",
    "LINK_FORWARD_AUTH_SIGN_IN", "LINK_SNIPPET",
)  # fmt: skip

VARIABLES = frozenset([*_OPEN, *SECRETS, *(f"{name}_FILE" for name in SECRETS)])
"""All that a file may say to its link; no other variable of it reaches the link's container."""

LEFT_OUT = "LINK_LEFT_OUT"
"""Tells a link which variables of its file it was not given. No file can set it."""
