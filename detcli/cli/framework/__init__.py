"""What all commands share: options, help pages, settings files, console, progress, signals."""
