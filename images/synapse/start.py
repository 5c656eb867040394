"""Start Synapse, or write its configuration first.

    python /start.py generate    make /data/homeserver.yaml and the signing key, unless they are there
    python /start.py             become the server

The server's name comes from SYNAPSE_SERVER_NAME and goes into the
configuration once: it is part of every user's name, so a later change of the
variable does not change it.
"""

import os
import subprocess
import sys
from pathlib import Path

DATA = Path(os.environ.get("SYNAPSE_DATA_DIR", "/data"))
CONFIG = DATA / "homeserver.yaml"
USER_ID = 991

LOG_CONFIG = """\
version: 1
formatters:
  short: {format: '%(asctime)s %(levelname)s %(name)s %(message)s'}
handlers:
  console: {class: logging.StreamHandler, formatter: short}
root: {level: WARNING, handlers: [console]}
"""


def variable(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        sys.exit(f"{name} is not set: Synapse needs it to generate its configuration")
    return value


def hand_over() -> None:
    """Give the volume's folder to Synapse's own user and become that user."""
    DATA.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return
    if DATA.stat().st_uid != USER_ID:
        for path in (DATA, *DATA.rglob("*")):
            os.lchown(path, USER_ID, USER_ID)
    os.setgroups([])
    os.setgid(USER_ID)
    os.setuid(USER_ID)
    os.environ["HOME"] = str(DATA)


def generate() -> None:
    name, report = variable("SYNAPSE_SERVER_NAME"), variable("SYNAPSE_REPORT_STATS")
    if report not in ("yes", "no"):
        sys.exit(f"SYNAPSE_REPORT_STATS is '{report}', and must be yes or no")
    if CONFIG.exists():
        print(f"{CONFIG} is there already and stays as it is")
        return
    # Written under another name first: a start cut short here begins again instead of running half a configuration.
    draft = DATA / "homeserver.yaml.draft"
    draft.unlink(missing_ok=True)
    subprocess.run(
        [
            sys.executable, "-m", "synapse.app.homeserver",
            "--generate-config", "--config-path", str(draft), "--server-name", name,
            "--report-stats", report, "--data-directory", str(DATA), "--config-directory", str(DATA),
            "--open-private-ports",
        ],
        check=True,
        timeout=120,
        cwd=DATA,
    )  # fmt: skip
    (DATA / f"{name}.log.config").write_text(LOG_CONFIG)
    with draft.open("a") as file:
        file.write("suppress_key_server_warning: true\n")
        os.fsync(file.fileno())
    draft.rename(CONFIG)


def run() -> None:
    if not CONFIG.exists():
        sys.exit(f"{CONFIG} is missing: run 'python /start.py generate' first")
    command = [sys.executable, "-m", "synapse.app.homeserver", "--config-path", str(CONFIG)]
    os.chdir(DATA)
    os.execv(command[0], command)  # noqa: S606


def main() -> None:
    hand_over()
    match sys.argv[1:]:
        case ["generate"]:
            generate()
        case []:
            run()
        case _:
            sys.exit("usage: start.py [generate]")


if __name__ == "__main__":
    main()
