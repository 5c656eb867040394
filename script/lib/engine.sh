# The Docker engine, the compose and buildx plugins: looking and starting. Needs say.sh.

readonly ENGINE_LOG=/var/log/mosaic-dockerd.log

# Volume drivers of tests, which answer for those that have gone by themselves, and stand aside for a new one.
readonly TEST_DRIVERS=(
    mosaic-test mosaic-e2e mosaic-attic mosaic-tls mosaic-ship mosaic-yawl mosaic-upgr mosaic-shed mosaic-beneath mosaic-pod mosaic-pea
    mosaic-far mosaic-loft
)
readonly PLUGIN_FOLDER=/usr/local/lib/docker/cli-plugins

# engine COMMAND…: docker, as root where this user may not open the socket.
engine() {
    if [ "$(id -u)" -eq 0 ] || [ -n "${DOCKER_HOST:-}" ] || [ -w /var/run/docker.sock ]; then
        docker "$@"
    else
        sudo docker "$@"
    fi
}

engine_answers() {
    command -v docker >/dev/null && [ -n "$(engine_api)" ]
}

# engine_api: the API version that the engine speaks, or nothing.
engine_api() {
    timeout 10 docker version --format '{{.Server.APIVersion}}' 2>/dev/null ||
        { [ "$(id -u)" -ne 0 ] && timeout --foreground 60 sudo docker version --format '{{.Server.APIVersion}}' 2>/dev/null; } ||
        true
}

# is_at_least VERSION FLOOR
is_at_least() {
    [ "$(printf '%s\n%s\n' "$2" "${1#v}" | sort --version-sort | head -n 1)" = "$2" ]
}

compose_is_ready() {
    local version
    version=$(timeout 10 docker compose version --short 2>/dev/null) && is_at_least "$version" 2.20
}

buildx_is_ready() {
    timeout 10 docker buildx version >/dev/null 2>&1
}

# start_engine [DRIVER…]: start it and wait until it answers. The drivers are those of tests, which have no volumes now.
start_engine() {
    local absent=
    command -v dockerd >/dev/null || [ -x /usr/sbin/dockerd ] ||
        die "there is a docker client here, but no engine" "run 'apt-get install docker.io'"
    if [ -d /run/systemd/system ]; then
        as_root 120 systemctl start docker.service ||
            die "systemd could not start the Docker engine" "run 'journalctl -u docker' to see why"
    else
        if [ $# -gt 0 ] && [ "$(id -u)" -eq 0 ]; then
            "$(print_python)" "$(dirname "${BASH_SOURCE[0]}")/absent_drivers.py" "$@" &
            absent=$!
        fi
        start_dockerd
    fi
    wait_for_engine
    [ -z "$absent" ] || kill "$absent"
}

# start_dockerd: with no init system to ask, a process of its own session that outlives this script.
start_dockerd() {
    forget_dead_daemons
    as_root 10 sh -c "PATH=\$PATH:/usr/sbin:/sbin setsid nohup dockerd >>$ENGINE_LOG 2>&1 </dev/null &"
}

# An engine that was killed leaves the number of its process and that of its containerd in files. The next one takes a
# file for true as long as any process has that number: another one that got it since, or a dead one whose parent has
# not asked how it ended. It then waits for a containerd that does not run, and gives up.
forget_dead_daemons() {
    forget_dead_daemon dockerd /var/run/docker.pid
    forget_dead_daemon containerd /var/run/docker/containerd/containerd.pid
}

# forget_dead_daemon NAME FILE: remove FILE if the process whose number it holds is not a live NAME.
forget_dead_daemon() {
    local pid
    pid=$(as_root 10 cat "$2" 2>/dev/null) || return 0
    is_live "$1" "$pid" || as_root 10 rm -f "$2"
}

# is_live NAME PID
is_live() {
    local stat
    stat=$(cat "/proc/$2/stat" 2>/dev/null) || return 1
    # "PID (NAME) STATE …": Z is one that ended and was not asked for, X one that is being taken away.
    case $stat in
        "$2 ($1) "[ZXx]*) return 1 ;;
        "$2 ($1) "*) return 0 ;;
        *) return 1 ;;
    esac
}

# An engine that remembers volumes whose driver does not answer asks for each of them, 15 s at a time, before it
# answers itself. That is no fault, so it is given as long as it goes on asking, within reason.
wait_for_engine() {
    local deadline=$((SECONDS + 60)) last=$((SECONDS + 900)) told= again=
    until engine_answers; do
        # Once more without systemd, which does that itself: the first one met the last of an engine being killed.
        if [ -z "$again" ] && [ ! -d /run/systemd/system ] && ! engine_lives; then
            again=yes
            start_dockerd
        fi
        if ! engine_lives || [ "$SECONDS" -ge "$last" ] ||
            { [ "$SECONDS" -ge "$deadline" ] && [ -z "$(print_awaited_drivers)" ]; }; then
            as_root 10 tail -n 3 "$ENGINE_LOG" >&2 || true
            die "the Docker engine did not start" "read $ENGINE_LOG, or 'journalctl -u docker'"
        fi
        if [ -z "$told" ] && [ "$SECONDS" -ge $((deadline - 50)) ] && [ -n "$(print_awaited_drivers)" ]; then
            told=yes
            say "  the engine asks for volumes whose driver does not run ($(print_awaited_drivers)): 15 s for each"
        fi
        sleep 0.3
    done
}

# print_gone_drivers: Mosaic's volume drivers that the engine has not forgotten and that do not run: it waits for each of
# them whenever somebody lists volumes. Those of tests answer for themselves.
print_gone_drivers() {
    local driver
    engine info --format '{{range .Plugins.Volume}}{{println .}}{{end}}' | while read -r driver; do
        [[ " ${TEST_DRIVERS[*]} " != *" $driver "* ]] || continue
        case $driver in
            mosaic-*) [ -S "/run/docker/plugins/$driver.sock" ] || printf '%s\n' "$driver" ;;
        esac
    done
}

# print_awaited_drivers: the volume drivers that an engine without systemd has asked for lately.
print_awaited_drivers() {
    as_root 10 tail -n 20 "$ENGINE_LOG" 2>/dev/null |
        sed -n 's/.*Unable to locate plugin: \([^,]*\),.*/\1/p' | sort -u | paste -sd ' '
}

# engine_lives: is there such a process at all? One that ended at once will not answer later either.
engine_lives() {
    sleep 1
    local comm
    for comm in $(grep --files-with-matches --line-regexp --no-messages dockerd /proc/[0-9]*/comm); do
        is_live dockerd "$(basename "$(dirname "$comm")")" && return 0
    done
    return 1
}
