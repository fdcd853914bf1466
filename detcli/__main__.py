"""`python -m detcli`, the same as the `detcli` command."""

from detcli.cli.main import main

main()
