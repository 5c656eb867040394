"""What can be done: the API and the Console change things through these functions only.

Each checks, changes the database in one transaction, wakes the scheduler and
returns what is true afterwards. A refusal raises an error with a code, one
sentence and a hint, and changes nothing. Things are named by id or by name.
"""

from mosaic.hive.actions.app_actions import find_action, list_actions, run_action
from mosaic.hive.actions.approving import approve
from mosaic.hive.actions.auditing import read_audit, read_device_audit
from mosaic.hive.actions.carrying import take_in
from mosaic.hive.actions.catalogs import add_catalog, refresh_catalog, remove_catalog
from mosaic.hive.actions.checkups import doctor
from mosaic.hive.actions.devices import admit, new_join_token
from mosaic.hive.actions.drills import tell_drill
from mosaic.hive.actions.forking import fork
from mosaic.hive.actions.going_back import go_back, stay
from mosaic.hive.actions.installations import install, restart, set_open, start, stop
from mosaic.hive.actions.keeping import read_keeping, set_keeping
from mosaic.hive.actions.link_export import export_links
from mosaic.hive.actions.link_gateways import add_gateway, list_gateways, remove_gateway
from mosaic.hive.actions.link_moving import link_move, move_link
from mosaic.hive.actions.link_ports import add_link_port, remove_link_port
from mosaic.hive.actions.links import (
    add_link,
    get_link,
    hear_of_links,
    list_links,
    look_at_link,
    remove_link,
    rotate_link,
)
from mosaic.hive.actions.logs import read_logs, read_update_report
from mosaic.hive.actions.network import set_network
from mosaic.hive.actions.own_apps import keep_own_app, remove_own_app
from mosaic.hive.actions.people import log_in, log_out, set_keys, set_up
from mosaic.hive.actions.policy import read_policy, set_policy
from mosaic.hive.actions.rekeying import cancel_rekeying, get_rekeying, rekey
from mosaic.hive.actions.removing import begin_removal, cancel_removal, plan_removal, remove_device
from mosaic.hive.actions.root_key import renew_root, root_reach
from mosaic.hive.actions.update_plan import plan_update
from mosaic.hive.actions.updating import cancel_update, follow, roll_back, update
from mosaic.hive.actions.upgrading import get_upgrades, kept_upgrades, set_upgrades, upgrade_device
from mosaic.hive.actions.whereabouts import cancel_move, move, restore_from_trash, uninstall

__all__ = [
    "add_catalog",
    "add_gateway",
    "add_link",
    "add_link_port",
    "admit",
    "approve",
    "begin_removal",
    "cancel_move",
    "cancel_rekeying",
    "cancel_removal",
    "cancel_update",
    "doctor",
    "export_links",
    "find_action",
    "follow",
    "fork",
    "get_link",
    "get_rekeying",
    "get_upgrades",
    "go_back",
    "hear_of_links",
    "install",
    "keep_own_app",
    "kept_upgrades",
    "link_move",
    "list_actions",
    "list_gateways",
    "list_links",
    "log_in",
    "log_out",
    "look_at_link",
    "move",
    "move_link",
    "new_join_token",
    "plan_removal",
    "plan_update",
    "read_audit",
    "read_device_audit",
    "read_keeping",
    "read_logs",
    "read_policy",
    "read_update_report",
    "refresh_catalog",
    "rekey",
    "remove_catalog",
    "remove_device",
    "remove_gateway",
    "remove_link",
    "remove_link_port",
    "remove_own_app",
    "renew_root",
    "restart",
    "restore_from_trash",
    "roll_back",
    "root_reach",
    "rotate_link",
    "run_action",
    "set_keeping",
    "set_keys",
    "set_network",
    "set_open",
    "set_policy",
    "set_up",
    "set_upgrades",
    "start",
    "stay",
    "stop",
    "take_in",
    "tell_drill",
    "uninstall",
    "update",
    "upgrade_device",
]
