"""The check of the networks that OpenVINO compiled, which later runs load."""

import os
from collections.abc import Iterator

from detcli.cli.framework.text import counted, megabytes
from detcli.cli.setup.check_result import CheckResult
from detcli.libraries import is_installed

_SECTION, _NAME = "Models", "compiled"


def check_automatic_runtime() -> Iterator[CheckResult]:
    """What runs a checkpoint if `--runtime` does not say."""
    from detcli.engine.model_files.compiled_networks import automatic_runtime

    if is_installed("torch"):  # else no checkpoint runs, which the versions say
        name, why = automatic_runtime()
        others = ", after a comparison with torch; torch runs models of many image sizes" if name != "torch" else ""
        yield CheckResult("Devices", "runtime", f"auto takes {name}, because {why}{others}")


def check_compiled_networks() -> Iterator[CheckResult]:
    """Where they are, how many, how large, and how to remove them; a warning for a folder that cannot be written."""
    from detcli.engine.model_files.compiled_networks import MAX_TOTAL_BYTES, VARIABLE, cache_of_environment

    cache = cache_of_environment()
    if cache is None:
        yield CheckResult(_SECTION, _NAME, f"not kept: {VARIABLE} is empty, or there is no home folder")
        return
    stored = cache.stored()
    size = sum(one.size for one in stored)
    counts = f"{counted(len(stored), 'network')} of OpenVINO, {megabytes(size)} of at most {megabytes(MAX_TOTAL_BYTES)}"
    yield CheckResult(_SECTION, _NAME, f"{cache.folder}: {counts}; 'detcli models compiled --clear' removes them")
    nearest = next(path for path in (cache.folder, *cache.folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        advice = (
            f"set a writable folder with {VARIABLE}; until then torch runs checkpoints, and exported files start slower"
        )
        yield CheckResult(_SECTION, _NAME, f"'{nearest}' is not writable", "warning", advice)
