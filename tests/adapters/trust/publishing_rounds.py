"""A publisher of its own process: publishes one app again and again, each time as another version."""

import sys
from pathlib import Path

from support.target_world import Publisher

if __name__ == "__main__":
    folder, rounds, who = sys.argv[1:]
    for number in range(int(rounds)):
        Publisher(Path(folder)).publish(f"{who}{number}")
