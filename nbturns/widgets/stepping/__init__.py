"""The mouse side of a running execution: waiting calls, snapshots, breakpoints, rules and branches."""
