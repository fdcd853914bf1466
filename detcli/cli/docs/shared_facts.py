"""Environment variables and files of all commands, for manual pages and the reference."""

from collections.abc import Mapping
from types import MappingProxyType

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "HF_HOME, HF_HUB_CACHE": "Folder of downloaded models.",
        "HF_HUB_OFFLINE": "1: no network access, as with --offline.",
        "HF_ENDPOINT": "Address of the Hub, for mirrors.",
        "HF_TOKEN": "For gated and private models.",
        "NO_COLOR, TERM=dumb": "No colors; with TERM=dumb also no progress line.",
        "COLUMNS": "Width of the terminal in columns.",
        "SOURCE_DATE_EPOCH": "Time stamp written into results, in seconds since 1970, for byte-identical outputs.",
    }
)
FILES: Mapping[str, str] = MappingProxyType(
    {
        "detcli.toml": "Settings of the current folder: one table per command, keys named like the options. They cannot overwrite, name models by path, or write outside the folder.",
        "~/.config/detcli/config.toml": "User settings; in $XDG_CONFIG_HOME, on Windows in %APPDATA%.",
        "~/.cache/huggingface/hub": "Downloaded models, shared with other programs.",
        "OUTPUT.journal": "Next to the first --output while a run is incomplete: --resume continues from it.",
        "OUTPUT.parts/": "The same of a run with --cluster; OUTPUT/.parts/ where its parts are kept in an object store.",
    }
)
