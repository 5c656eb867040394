# Which tests run where, as pytest's marker expressions. Each test is in exactly one of the four: the third is what is left.
UNIT_TESTS="not (engine or btrfs or cgroup or netns or postgres or acme or browser or registry or long)"
MACHINE_TESTS="engine or postgres or acme"
SCREEN_TESTS="(browser or registry) and not (btrfs or cgroup or netns or $MACHINE_TESTS)"
FILE_SYSTEM_TESTS="not ($UNIT_TESTS) and not ($MACHINE_TESTS) and not ($SCREEN_TESTS)"
