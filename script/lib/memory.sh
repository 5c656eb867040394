# shellcheck shell=bash
# A folder in memory for tests: hundreds of small databases, each of which waits for the disk at every transaction.

# make_memory_folder NAME: print a new folder in memory; print nothing where there is no gigabyte to spare.
make_memory_folder() {
    if [ "$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1)" -gt 1000000 ] 2>/dev/null; then
        mktemp --directory "/dev/shm/$1-XXXXXX"
    fi
}
