# The Docker engine, the compose and buildx plugins: looking and starting. Needs say.sh.

readonly ENGINE_LOG=/var/log/mosaic-dockerd.log
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
        # No init system to ask: a process of its own session that outlives this script.
        as_root 10 sh -c "PATH=\$PATH:/usr/sbin:/sbin setsid nohup dockerd >>$ENGINE_LOG 2>&1 </dev/null &"
    fi
    wait_for_engine
    [ -z "$absent" ] || kill "$absent"
}

# An engine that remembers volumes whose driver does not answer asks for each of them, 15 s at a time, before it
# answers itself. That is no fault, so it is given as long as it goes on asking, within reason.
wait_for_engine() {
    local deadline=$((SECONDS + 60)) last=$((SECONDS + 900)) told=
    until engine_answers; do
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

# print_awaited_drivers: the volume drivers that an engine without systemd has asked for lately.
print_awaited_drivers() {
    as_root 10 tail -n 20 "$ENGINE_LOG" 2>/dev/null |
        sed -n 's/.*Unable to locate plugin: \([^,]*\),.*/\1/p' | sort -u | paste -sd ' '
}

# engine_lives: is there such a process at all? One that ended at once will not answer later either.
engine_lives() {
    sleep 1
    grep --quiet --line-regexp --no-messages dockerd /proc/[0-9]*/comm
}
