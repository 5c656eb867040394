# Gates: named commands that run beside each other, each with its verdict on one line. Needs say.sh.

gate_folder=$(mktemp -d)
gate_names=()
trap 'rm -rf "$gate_folder"' EXIT

# gate NAME COMMAND…: start it now, keep what it prints for later.
gate() {
    local name=$1
    shift
    gate_names+=("$name")
    (
        started=$SECONDS
        if timeout 300 "$@" >"$gate_folder/$name.log" 2>&1 </dev/null; then verdict=held; else verdict=broken; fi
        printf '%s %s\n' "$verdict" "$((SECONDS - started))" >"$gate_folder/$name.verdict"
    ) &
}

# close_gates: wait for all, show each verdict, and what the broken ones printed. Fails if any is broken.
close_gates() {
    local name verdict seconds broken=0
    wait
    for name in "${gate_names[@]}"; do
        read -r verdict seconds <"$gate_folder/$name.verdict"
        if [ "$verdict" = held ]; then
            printf '  ✓ %-14s %3s s\n' "$name" "$seconds"
        else
            printf '  ✗ %-14s %3s s\n' "$name" "$seconds"
            sed 's/^/      /' "$gate_folder/$name.log"
            broken=1
        fi
    done
    return "$broken"
}
