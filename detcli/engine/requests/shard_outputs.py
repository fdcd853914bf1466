"""`{shard}` in the outputs of a request: the number of its shard."""

from dataclasses import replace
from pathlib import Path

from detcli.engine.requests.run_settings import OutputSettings
from detcli.errors import UsageError
from detcli.io.remote.store_path import as_path
from detcli.shard import SHARD, Shard


def outputs_of_shard(output: OutputSettings, shard: Shard | None) -> OutputSettings:
    """The outputs with the number of the shard in the place of `{shard}`.

    Raises UsageError for `{shard}` without a shard.
    """
    return replace(
        output,
        outputs=tuple(_filled(name, shard) for name in output.outputs),
        save_images=path_of_shard(output.save_images, shard),
        save_crops=path_of_shard(output.save_crops, shard),
        save_masks=path_of_shard(output.save_masks, shard),
        counts=path_of_shard(output.counts, shard),
        events=path_of_shard(output.events, shard),
    )


def path_of_shard(path: Path | None, shard: Shard | None) -> Path | None:
    """The same for one path; None stays."""
    return None if path is None else as_path(_filled(str(path), shard))


def _filled(name: str, shard: Shard | None) -> str:
    if shard is not None:
        return shard.fill(name)
    if SHARD in name:
        raise UsageError(f"'{name}' has '{SHARD}' in it, which is the number of a `shard`: set one, such as 2/8")
    return name
