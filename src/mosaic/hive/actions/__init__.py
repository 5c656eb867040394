"""What can be done: the API and the Console change things through these functions only.

Each checks, changes the database in one transaction, wakes the scheduler and
returns what is true afterwards. A refusal raises an error with a code, one
sentence and a hint, and changes nothing. Things are named by id or by name.
"""

from mosaic.hive.actions.devices import admit, new_join_token, remove_device
from mosaic.hive.actions.drills import tell_drill
from mosaic.hive.actions.forking import fork
from mosaic.hive.actions.going_back import go_back, stay
from mosaic.hive.actions.installations import install, restart, set_open, start, stop
from mosaic.hive.actions.keeping import read_keeping, set_keeping
from mosaic.hive.actions.logs import read_logs
from mosaic.hive.actions.people import log_in, log_out, set_keys, set_up
from mosaic.hive.actions.policy import read_policy, set_policy
from mosaic.hive.actions.rekeying import cancel_rekeying, get_rekeying, rekey
from mosaic.hive.actions.root_key import renew_root, root_reach
from mosaic.hive.actions.whereabouts import cancel_move, move, restore_from_trash, uninstall

__all__ = [
    "admit",
    "cancel_move",
    "cancel_rekeying",
    "fork",
    "get_rekeying",
    "go_back",
    "install",
    "log_in",
    "log_out",
    "move",
    "new_join_token",
    "read_keeping",
    "read_logs",
    "read_policy",
    "rekey",
    "remove_device",
    "renew_root",
    "restart",
    "restore_from_trash",
    "root_reach",
    "set_keeping",
    "set_keys",
    "set_open",
    "set_policy",
    "set_up",
    "start",
    "stay",
    "stop",
    "tell_drill",
    "uninstall",
]
