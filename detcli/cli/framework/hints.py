"""Hints after an error: which command helps. Library messages name no commands."""

from detcli.errors import DetcliError, InputError, NotCachedError, UnknownModelError

_BY_COMMAND = {
    "detcli detect": "'detcli video' reads videos, cameras and streams",
    "detcli segment": "segmentation needs images; 'detcli video' detects objects in videos",
    "detcli video": "'detcli detect' reads images",
}


def hint_for(error: DetcliError, command: str) -> str | None:
    """The command that helps after an error of a command such as "detcli detect"; None for no hint."""
    if isinstance(error, UnknownModelError) and command != "detcli models convert":
        return "'detcli models list' shows all models"
    if isinstance(error, NotCachedError) and "detcli download" not in str(error):
        return "'detcli download NAME' downloads a model"
    if type(error) is InputError:  # no image, no video: subclasses have other reasons
        return _BY_COMMAND.get(command)
    return None
