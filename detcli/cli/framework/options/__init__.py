"""Options that several commands share, each with one definition; modules by the sections of the help pages."""
