# Speaking to the person at the terminal, and becoming root where a step needs it.

say() { printf '%s\n' "$*"; }

# die SENTENCE HINT: one thing that is true, one thing to do.
die() {
    printf 'error: %s\n' "$1" >&2
    if [ $# -gt 1 ]; then printf 'hint:  %s\n' "$2" >&2; fi
    exit 1
}

# as_root SECONDS COMMAND…: every privileged step has a deadline.
as_root() {
    local seconds=$1
    shift
    if [ "$(id -u)" -eq 0 ]; then
        timeout "$seconds" "$@"
    elif command -v sudo >/dev/null; then
        # --foreground: sudo may have to ask for a password on this terminal.
        timeout --foreground "$seconds" sudo "$@"
    else
        die "this step needs root, and there is no sudo here" "run the script as root"
    fi
}
