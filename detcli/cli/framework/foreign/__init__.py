"""Options, syntax and commands of other programs, answered with those of detcli."""
