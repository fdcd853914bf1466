"""The exception tree, and the exit code of the command line for each exception.

    DetcliError                         base class, not raised itself
    ├── UsageError                  2   an argument, an option or a settings file is invalid (also a ValueError)
    │   ├── UnknownClassError           no class of the model has this name
    │   └── LibraryError                a library cannot be loaded, or does not fit this machine
    ├── InputError                  4   no input could be processed
    │   ├── RecordError                 a value in a results file or in annotations is invalid
    │   ├── DataError                   a dataset cannot be used for training or evaluation
    │   │   └── NoDataError                 there is no such dataset or file of results (also a UsageError)
    │   └── SourceError                 a video, camera or stream cannot be opened, or is lost for good
    ├── ImageError                  -   one image failed: it becomes a record, the run continues
    │   └── StoreError                  an object store refuses, fails or does not answer
    ├── ModelError                  5   the model is rejected
    │   ├── UnknownModelError           no model has this name
    │   ├── NotCachedError              offline, and the files are not downloaded
    │   ├── DamagedModelError           the files are damaged
    │   └── UnsupportedModelError       the files are complete, but detcli cannot run this model
    ├── HubError                    6   the network or the Hub is temporarily unavailable
    ├── AccessError                 7   access denied: gated, private or not found
    │   └── StreamAccessError           a server refuses a stream (also a SourceError)
    ├── OutputError                 8   the output exists, cannot be written or is locked
    ├── DeviceError                 9   out of memory at batch size 1, no more threads or files, or device lost
    │   └── LostProcessError            another process of a training run has ended
    ├── GateError                  10   a metric is below the minimum, or an exported file differs from its model
    ├── DivergedError              11   training reached NaN or infinity
    └── TooManyFailuresError        3   more inputs failed than allowed

A message says what is wrong, with what, and what to do. It names arguments of the library in backquotes. A bug in detcli
is not a `DetcliError`.

`EXIT_CODES` is the table of all exit codes; the manual pages and the documentation are generated from it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, get_args

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

# Why the Hub is not available: its name, its port, its silence, a proxy, a certificate, or what it answered.
HubErrorReason = Literal["dns", "refused", "timeout", "proxy", "certificate", "connection", "response"]

# The documentation of records is generated from it.
IMAGE_ERROR_MEANINGS: Mapping[ImageErrorCode, str] = MappingProxyType(
    {
        "not-found": "No file has this name, the link is broken, or the server does not send the file.",
        "no-permission": "The file may not be read, or the server denies access.",
        "not-a-file": "A folder, a pipe, a socket or a device.",
        "empty": "The file has no bytes.",
        "not-an-image": "The file is something else, such as text, a web page, an archive or a video.",
        "truncated": "The file ends too early. In a video: frames at the end are missing.",
        "too-large": "More pixels or bytes than the limit, or not enough memory to decode it.",
        "unsupported": "A format, a kind of pixels, a codec or a protocol that detcli cannot read.",
        "decode-failed": "The file is damaged, or reading it failed.",
        "damaged": "In a video: frames are missing or partly wrong, because the file is damaged.",
        "gap": "In a video: a stream or a camera was interrupted.",
        "device": "The network returned numbers that are not finite; on a cluster: each worker that processed it ended.",
    }
)

EXIT_CODES: Mapping[str, str] = MappingProxyType(
    {
        "0": "Every input was processed. No detections is success.",
        "1": "A bug in detcli (one line; --debug shows a traceback), or 'detcli doctor' found a broken installation.",
        "2": "Usage error: the command line or a settings file is invalid, or a library that is needed cannot be loaded.",
        "3": "Finished, but some inputs failed. All of them are named in the results.",
        "4": "Nothing was processed: no inputs, all inputs failed, or the dataset cannot be used.",
        "5": "Model rejected: unknown name, offline and not downloaded, damaged or unsupported.",
        "6": "The network or the Hub is temporarily unavailable.",
        "7": "Access denied: gated, private or not found.",
        "8": "An output exists, cannot be written, or is locked by another run.",
        "9": "Out of memory, also at batch size 1; no more threads or open files; or the device was lost.",
        "10": "A metric is below the required minimum (eval --min-map), an exported file differs from its model (export), or a dataset has mistakes (data check).",
        "11": "Training diverged: the loss or a weight became NaN or infinite.",
        "129, 130, 143": "Interrupted by SIGHUP, SIGINT or SIGTERM. Written outputs are complete files; --resume continues.",
        "141": "Standard output was closed (SIGPIPE).",
    }
)


class DetcliError(Exception):
    """Base class of all errors that have a cause outside detcli; `str(error)` is the sentence to show."""

    exit_code: ClassVar[int] = 1

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the message and all fields, whatever the arguments of the constructor are."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[DetcliError], args: tuple[Any, ...], fields: dict[str, Any]) -> DetcliError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(fields)
    return error


class UsageError(DetcliError, ValueError):
    """An argument, an option or a settings file is invalid. It is a ValueError too."""

    exit_code = 2


class UnknownClassError(UsageError):
    """No class of the model has this name or index."""


class LibraryError(UsageError):
    """A library that detcli needs is missing or damaged, or does not fit this machine; the message has the remedy.

    package  that has it, as pip names it; None: not known
    """

    def __init__(self, message: str, *, package: str | None = None) -> None:
        super().__init__(message)
        self.package = package


class TooManyFailuresError(DetcliError):
    """More inputs failed than `strict` or `max_failures` allows."""

    exit_code = 3


class InputError(DetcliError):
    """No input could be processed."""

    exit_code = 4


class DataError(InputError):
    """A dataset cannot be used for training or evaluation; the message names the first invalid entries."""


class NoDataError(DataError, UsageError):
    """A dataset, annotations or results are missing, cannot be read, or are something else. It is a UsageError too."""


class SourceError(InputError):
    """A video, a camera or a stream cannot be opened, or is lost for good; `code` is one of `IMAGE_ERROR_CODES`.

    reason   the message without the name of the source
    refused  the server answered and refused: another try is useless
    """

    def __init__(self, code: ImageErrorCode, message: str, *, reason: str | None = None, refused: bool = False) -> None:
        super().__init__(message)
        self.code: ImageErrorCode = code
        self.reason = message if reason is None else reason
        self.refused = refused


class ImageError(DetcliError):
    """One image could not be read; `code` is one of `IMAGE_ERROR_CODES`."""

    exit_code = 4

    def __init__(self, code: ImageErrorCode, message: str) -> None:
        super().__init__(message)
        self.code: ImageErrorCode = code


class StoreError(ImageError):
    """An object store refuses a call, fails or does not answer.

    refusal  the code that it gave, such as AccessDenied, or the status of HTTP; None without an answer
    absent   it answered that there is no such object
    """

    def __init__(
        self, code: ImageErrorCode, message: str, *, refusal: str | int | None = None, absent: bool = False
    ) -> None:
        super().__init__(code, message)
        self.refusal = refusal
        self.absent = absent


class ModelError(DetcliError):
    """The model is rejected."""

    exit_code = 5


class UnknownModelError(ModelError):
    """No model has this name; `model` is the name, where it is given."""

    def __init__(self, message: str, *, model: str | None = None) -> None:
        super().__init__(message)
        self.model = model


class NotCachedError(ModelError):
    """Offline, and the files of the model are not downloaded; `model` is its name, where that is known."""

    def __init__(self, message: str, *, model: str | None = None) -> None:
        super().__init__(message)
        self.model = model


class DamagedModelError(ModelError):
    """The files of a model are damaged or are not what their names say."""


class UnsupportedModelError(ModelError):
    """The files are complete, but no network of detcli can use them."""


class HubError(DetcliError):
    """The network or the Hub is temporarily unavailable.

    reason      why, where that is known
    repository  of the Hub that was requested, or None
    """

    exit_code = 6

    def __init__(self, message: str, *, reason: "HubErrorReason | None" = None, repository: str | None = None) -> None:
        super().__init__(message)
        self.reason: HubErrorReason | None = reason
        self.repository = repository


class AccessError(DetcliError):
    """The Hub denies access: gated, private or not found."""

    exit_code = 7


class StreamAccessError(AccessError, SourceError):
    """A server refuses a stream: 401, 403 or 404; another try is useless."""

    def __init__(self, code: ImageErrorCode, message: str, *, reason: str | None = None, refused: bool = True) -> None:
        SourceError.__init__(self, code, message, reason=reason, refused=refused)


class OutputError(DetcliError):
    """An output exists, cannot be written or is locked by another run."""

    exit_code = 8


class DeviceError(DetcliError):
    """The device or the machine ran out of memory, threads or open files, or was lost.

    out_of_memory  whether a smaller batch may fit
    """

    exit_code = 9

    def __init__(self, message: str, *, out_of_memory: bool = False) -> None:
        super().__init__(message)
        self.out_of_memory = out_of_memory


class LostProcessError(DeviceError):
    """Another process of a training run has ended or does not respond; that process has the reason."""


class GateError(DetcliError):
    """A metric is below the required minimum, or an exported file does not detect what its checkpoint detects."""

    exit_code = 10


class DivergedError(DetcliError):
    """Training reached a loss or a weight that is NaN or infinite; the message names where."""

    exit_code = 11
