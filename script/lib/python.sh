# The Python environment in .venv, from the lock file. Needs say.sh.

# print_python: the first interpreter that is new enough and can make environments.
print_python() {
    local python
    for python in python3 /usr/bin/python3 python3.11 python3.12 python3.13; do
        if timeout 20 "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$python"
            return
        fi
    done
}

# print_venv_stamp FOLDER: changes when the environment has to be brought up to date.
print_venv_stamp() {
    {
        cat "$1/requirements.lock" "$1/pyproject.toml"
        printf '%s' "$1"   # console scripts hold the absolute path of the checkout
    } | sha256sum | cut -d ' ' -f 1
}

venv_is_ready() {
    [ -x "$1/.venv/bin/python" ] &&
        [ "$(cat "$1/.venv/.mosaic-stamp" 2>/dev/null)" = "$(print_venv_stamp "$1")" ]
}

# print_uv_pin FOLDER: the lock file's own entry for uv, hashes included.
print_uv_pin() {
    awk '/^uv==/ { found = 1 } found { print } found && !/\\$/ { exit }' "$1/requirements.lock"
}

# make_venv FOLDER: every wheel by its hash. The stamp comes last, so that a run cut short is done again.
#
# pip fetches uv and uv fetches the rest, in a quarter of the time. uv does not
# read pip's settings, so where it fails (a private index, a special network)
# pip does the whole work; the hashes are the same either way.
make_venv() {
    local root=$1 venv=$1/.venv python index
    python=$(print_python)
    [ -n "$python" ] || die "Python 3.11 or newer with venv is missing" "run 'apt-get install python3 python3-venv'"
    [ -x "$venv/bin/python" ] || timeout 120 "$python" -m venv "$venv"
    local pip=("$venv/bin/python" -m pip --disable-pip-version-check --no-input -qq)
    index=$("${pip[@]}" config get global.index-url 2>/dev/null || true)
    index=${PIP_INDEX_URL:-$index}
    {
        [ -x "$venv/bin/uv" ] || timeout 120 "${pip[@]}" install --require-hashes --requirement <(print_uv_pin "$root")
    } 2>/dev/null &&
        UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$index} UV_LINK_MODE=copy timeout 300 "$venv/bin/uv" pip install --quiet \
            --python "$venv/bin/python" --require-hashes --requirement "$root/requirements.lock" 2>/dev/null ||
        timeout 600 "${pip[@]}" install --require-hashes --requirement "$root/requirements.lock" ||
        die "the Python packages of requirements.lock could not be installed" "read pip's message above; run the script again"
    timeout 120 "${pip[@]}" install --no-deps --no-build-isolation --editable "$root" ||
        die "Mosaic itself could not be installed into .venv" "read pip's message above; run the script again"
    # Compiled once, here: a service that compiles itself at its start starts later and stays 2 to 3 MB larger.
    env --unset PYTHONDONTWRITEBYTECODE timeout 120 "$venv/bin/python" -c \
        'import alembic.command, mosaic.device.serve, mosaic.hive.serve, mosaic.storage.serve, mosaic.cli.main' ||
        die "Mosaic was installed into .venv and can't be loaded" "read Python's message above; run the script again"
    print_venv_stamp "$root" >"$venv/.mosaic-stamp"
}
