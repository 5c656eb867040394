# Packages: from this machine's own suite through apt, and a few programs from
# Debian's newer suite beside it. Needs say.sh.

# The newer suite and its backports, where compose v2, a recent Caddy and a fast wireguard-go are.
readonly NEWER_SUITE=trixie

package_is_installed() {
    [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# print_missing PACKAGE…: those that are not installed, one a line.
print_missing() {
    local package
    for package in "$@"; do
        package_is_installed "$package" || printf '%s\n' "$package"
    done
}

apt_update() {
    as_root 300 apt-get --quiet=2 -o Acquire::Retries=3 update >/dev/null ||
        die "apt-get update failed" "run 'apt-get update' and mend what it complains about"
}

# apt_install PACKAGE…: no recommended extras, no questions, no service left running that was not asked for.
apt_install() {
    local log
    log=$(mktemp)
    if ! as_root 900 env DEBIAN_FRONTEND=noninteractive apt-get --quiet=2 --yes --no-install-recommends \
        -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \
        install "$@" >"$log" 2>&1; then
        tail -n 15 "$log" >&2
        rm -f "$log"
        die "apt could not install: $*" "run 'apt-get install $*' and mend what it complains about"
    fi
    rm -f "$log"
}

apt_has() {
    [[ $(apt-cache policy "$1" 2>/dev/null) == *'Candidate: '[0-9]* ]]
}

# print_debian_sources: "URI SUITE" of every Debian source that apt is configured with.
print_debian_sources() {
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)' 'Created-By: Packages' 2>/dev/null |
        awk -v name="$(debian_codename)" '
            $3 == "main" && ($2 == name || index($2, name "-") == 1) && !seen[$1 $2]++ { print $1, $2 }'
}

debian_codename() {
    # shellcheck disable=SC1091
    (. /etc/os-release && printf '%s' "${VERSION_CODENAME:-unknown}")
}

print_debian_mirror() {
    print_debian_sources | awk -v name="$(debian_codename)" '$2 == name && !found++ { print $1 }'
}

# extract_newer FOLDER PACKAGE[/SUITE]…: unpack packages of the newer suite under FOLDER, installing nothing.
#
# Only single Go programs are taken this way. The apt run that fetches them has
# lists, sources and cache of its own, so the machine's apt never learns of the
# newer suite: nothing can be upgraded to it, today or by a later `apt upgrade`,
# which a low pin priority in /etc/apt would only make unlikely. Signatures are
# checked against the archive keyring as ever, and no maintainer script runs, so
# no service starts. The mirror is the one that apt uses already.
extract_newer() {
    local folder=$1 mirror work package
    shift
    mirror=$(print_debian_mirror)
    [ -n "$mirror" ] || die "apt has no Debian source here to take newer packages from" \
        "configure one in /etc/apt/sources.list, or install these by hand: $*"
    work=$(mktemp -d)
    mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/debs"
    for package in "$NEWER_SUITE" "$NEWER_SUITE-backports"; do
        printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$mirror" "$package"
    done >"$work/sources.list"
    local apart=(
        -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
        -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work" -o APT::Sandbox::User=root
        -o Acquire::Languages=none -o Acquire::Retries=3 --quiet=2
    )
    (
        cd "$work/debs"
        timeout 300 apt-get "${apart[@]}" update >"$work/log" 2>&1 &&
            timeout 300 apt-get "${apart[@]}" download "$@" >>"$work/log" 2>&1
    ) || {
        tail -n 10 "$work/log" >&2
        rm -rf "$work"
        die "could not fetch from Debian's suite $NEWER_SUITE: $*" \
            "check that the mirror apt uses carries $NEWER_SUITE, or install these by hand"
    }
    for package in "$work"/debs/*.deb; do
        dpkg-deb --extract "$package" "$folder"
    done
    rm -rf "$work"
}
