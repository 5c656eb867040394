"""A running Hive: what its handlers and its scheduler share."""


class Hive:
    """Held by the app as `app.state.hive`; handlers and pages get it as the dependency `hive`."""
