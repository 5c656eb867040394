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

start_engine() {
    command -v dockerd >/dev/null || [ -x /usr/sbin/dockerd ] ||
        die "there is a docker client here, but no engine" "run 'apt-get install docker.io'"
    if [ -d /run/systemd/system ]; then
        as_root 120 systemctl start docker.service ||
            die "systemd could not start the Docker engine" "run 'journalctl -u docker' to see why"
    else
        # No init system to ask: a process of its own session that outlives this script.
        as_root 10 sh -c "PATH=\$PATH:/usr/sbin:/sbin setsid nohup dockerd >>$ENGINE_LOG 2>&1 </dev/null &"
    fi
    # An engine that remembers volumes of a driver that is not there asks for it, up to half a minute each, before it answers.
    local deadline=$((SECONDS + 240))
    until engine_answers; do
        if [ "$SECONDS" -ge "$deadline" ] || ! engine_lives; then
            as_root 10 tail -n 3 "$ENGINE_LOG" >&2 || true
            die "the Docker engine did not start" "read $ENGINE_LOG, or 'journalctl -u docker'"
        fi
        sleep 0.3
    done
}

# engine_lives: is there such a process at all? One that ended at once will not answer later either.
engine_lives() {
    sleep 1
    grep --quiet --line-regexp --no-messages dockerd /proc/[0-9]*/comm
}
