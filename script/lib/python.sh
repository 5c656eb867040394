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

# make_venv FOLDER: every wheel by its hash. The stamp comes last, so that a run cut short is done again.
make_venv() {
    local root=$1 python
    python=$(print_python)
    [ -n "$python" ] || die "Python 3.11 or newer with venv is missing" "run 'apt-get install python3 python3-venv'"
    [ -x "$root/.venv/bin/python" ] || timeout 120 "$python" -m venv "$root/.venv"
    local pip=("$root/.venv/bin/python" -m pip --disable-pip-version-check --no-input --quiet)
    timeout 600 "${pip[@]}" install --require-hashes --requirement "$root/requirements.lock" ||
        die "the Python packages of requirements.lock could not be installed" "read pip's message above; run the script again"
    timeout 120 "${pip[@]}" install --no-deps --no-build-isolation --editable "$root" ||
        die "Mosaic itself could not be installed into .venv" "read pip's message above; run the script again"
    print_venv_stamp "$root" >"$root/.venv/.mosaic-stamp"
}
