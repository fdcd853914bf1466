"""Every way to fail, with the exit code it becomes.

    DetcliError                         (not raised itself)
    ├── UsageError                  2   the command line, a configuration file or an argument makes no sense
    ├── InputError                  4   nothing could be processed
    │   ├── DataError                   annotated images that cannot be trained on or judged against
    │   └── SourceError                 a video, camera or stream cannot be opened, or is lost for good
    ├── ImageError                  -   one image failed: becomes a record, the run goes on
    ├── ModelError                  5   the model is refused
    │   ├── UnknownModelError           no such name
    │   ├── NotCachedError              offline, and the files are not here
    │   ├── DamagedModelError           the files are not what they claim to be
    │   └── UnsupportedModelError       the files are whole, but not for detcli
    ├── HubError                    6   the network or the Hub, for now: trying again may help
    ├── AccessError                 7   gated, private or not found
    ├── OutputError                 8   the output exists, cannot be written or is locked
    ├── DeviceError                 9   out of memory or lost, also at batch 1
    ├── GateError                  10   a figure is below what was asked of it
    ├── DivergedError              11   training came to numbers that are not finite
    └── TooManyFailuresError        3   `--strict` or `--max-failures` ended the run

Each message is a sentence: what happened, to what, what to do now. What is a bug stays a bare exception.
"""

from typing import ClassVar, Literal, get_args

ImageErrorCode = Literal[
    "not-found",
    "no-permission",
    "not-a-file",
    "empty",
    "not-an-image",
    "truncated",
    "too-large",
    "unsupported",
    "decode-failed",
    "damaged",
    "gap",
    "device",
]
IMAGE_ERROR_CODES: tuple[str, ...] = get_args(ImageErrorCode)


class DetcliError(Exception):
    """Something outside detcli went wrong; `str(error)` is the sentence to show."""

    exit_code: ClassVar[int] = 1


class UsageError(DetcliError):
    """The command line, a configuration file or an argument makes no sense."""

    exit_code = 2


class TooManyFailuresError(DetcliError):
    """More inputs failed than `--strict` or `--max-failures` allows."""

    exit_code = 3


class InputError(DetcliError):
    """Nothing could be processed."""

    exit_code = 4


class DataError(InputError):
    """Annotated images cannot be trained on, or judged against; the message names the first culprits."""


class SourceError(InputError):
    """A video, a camera or a stream cannot be opened, or is lost for good; `code` is one of `PICTURE_ERROR_CODES`.

    refused  the server answered, and the answer was no: trying again is of no use
    """

    def __init__(self, code: ImageErrorCode, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.code: ImageErrorCode = code
        self.refused = refused


class ImageError(DetcliError):
    """One image could not be read; `code` is one of `PICTURE_ERROR_CODES`."""

    exit_code = 4

    def __init__(self, code: ImageErrorCode, message: str) -> None:
        super().__init__(message)
        self.code: ImageErrorCode = code


class ModelError(DetcliError):
    """The model is refused."""

    exit_code = 5


class UnknownModelError(ModelError):
    """No model has this name."""


class NotCachedError(ModelError):
    """Offline, and the files are not on this machine."""


class DamagedModelError(ModelError):
    """The files of a model are not what they claim to be."""


class UnsupportedModelError(ModelError):
    """The files are whole, but no network here can use them."""


class HubError(DetcliError):
    """The network or the Hub does not answer for now."""

    exit_code = 6


class AccessError(DetcliError):
    """The Hub refuses: gated, private or not found."""

    exit_code = 7


class OutputError(DetcliError):
    """An output exists already, cannot be written or is locked by another run."""

    exit_code = 8


class DeviceError(DetcliError):
    """The device ran out of memory or was lost; `out_of_memory` says that a smaller batch may do."""

    exit_code = 9

    def __init__(self, message: str, *, out_of_memory: bool = False) -> None:
        super().__init__(message)
        self.out_of_memory = out_of_memory


class GateError(DetcliError):
    """A figure is below what was asked of it (`eval --min-map`)."""

    exit_code = 10


class DivergedError(DetcliError):
    """Training came to a loss or a weight that is not finite; the message names where."""

    exit_code = 11
