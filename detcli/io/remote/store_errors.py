"""What the errors of the drivers of object stores mean.

The drivers have no common errors: s3fs raises those of Python and of botocore, the others those of their own libraries.
They are recognized by number, status and name, so that no driver is imported here.
"""

import errno
import re
from collections.abc import Iterator

from detcli.errors import ImageErrorCode
from detcli.io.remote.addresses import StoreAddress, without_secrets
from detcli.io.remote.retries import RETRY_STATUS

_TEMPORARY_ERRNO = frozenset(
    {
        errno.EBUSY,
        getattr(errno, "EREMOTEIO", errno.EIO),
        errno.ETIMEDOUT,
        errno.ECONNRESET,
        errno.ECONNABORTED,
        errno.EPIPE,
    }
)
_TEMPORARY_NAMES = frozenset(
    {
        "HTTPClientError", "IncompleteReadError", "IncompleteRead", "ResponseParserError", "ClientPayloadError",
        "ServerDisconnectedError", "ClientConnectionError", "ServiceRequestError", "ServiceResponseError",
        "TransportError", "ChunkedEncodingError", "ConnectionError", "ConnectTimeout", "ReadTimeout", "FSTimeoutError",
    }
)  # fmt: skip
_UNREACHABLE_NAMES = frozenset({"ConnectionRefusedError", "gaierror", "ClientConnectorDNSError"})
_WITHOUT_CREDENTIALS = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError", "CredentialUnavailableError",
     "ProfileNotFound", "CredentialRetrievalError"}
)  # fmt: skip
_ADVICE = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or FSSPEC_S3_ANON=true for a public bucket",
    "gcs": "run 'gcloud auth application-default login', or set GOOGLE_APPLICATION_CREDENTIALS",
    "azure": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or AZURE_STORAGE_CONNECTION_STRING",
    None: "run 'hf auth login', or set HF_TOKEN",
}
_BUCKET_CODES = frozenset({"NoSuchBucket", "ContainerNotFound", "InvalidBucketName"})


def is_temporary(error: BaseException) -> bool:
    """Whether another attempt may succeed: throttled, a failure of the server, a lost connection, silence."""
    chain = list(_chain(error))
    names = {base.__name__ for cause in chain for base in type(cause).__mro__}
    if names & _UNREACHABLE_NAMES or names & _WITHOUT_CREDENTIALS:
        return False
    if names & _TEMPORARY_NAMES or isinstance(error, TimeoutError):
        return True
    status = _status(error)
    if status is not None:
        return status in RETRY_STATUS
    return isinstance(error, OSError) and error.errno in _TEMPORARY_ERRNO


def is_timeout(error: BaseException) -> bool:
    """Whether the store did not answer in time."""
    names = {base.__name__ for cause in _chain(error) for base in type(cause).__mro__}
    return bool(names & {"TimeoutError", "FSTimeoutError", "ReadTimeoutError", "ConnectTimeoutError"})


def is_absence(error: BaseException) -> bool:
    """Whether the store answered that there is no such object."""
    return (isinstance(error, FileNotFoundError) or _status(error) == 404) and _code(error) not in _BUCKET_CODES


def meaning(error: BaseException, address: StoreAddress, extra: str | None) -> tuple[ImageErrorCode, str]:
    """The code of an error and a clause about it, without credentials, to follow the name of the object.

    extra  of the driver
    """
    names = {base.__name__ for cause in _chain(error) for base in type(cause).__mro__}
    code, status = _code(error), _status(error)
    if names & _WITHOUT_CREDENTIALS:
        return "no-permission", without_access(address.scheme, extra)
    if isinstance(error, PermissionError) or status in (401, 403):
        return "no-permission", f"the store denies access{_in_brackets(refusal_of(error))}"
    if "ParamValidationError" in names:
        return "not-found", "this is not a valid name of a bucket and an object"
    if code in _BUCKET_CODES:
        return "not-found", f"there is no bucket '{address.bucket}'"
    if is_absence(error):
        return "not-found", "no object has this name"
    if isinstance(error, IsADirectoryError):
        return "not-a-file", "a prefix of several objects, not an object"
    if is_timeout(error):
        return "not-found", "the store did not answer in time; try again later"
    if names & _UNREACHABLE_NAMES or "EndpointConnectionError" in names:
        return "not-found", "the store cannot be reached: unknown host, no network, or no server at its port"
    if is_temporary(error):
        return (
            "not-found",
            f"the store failed, also when it was asked again; try later{_in_brackets(refusal_of(error))}",
        )
    return "not-found", f"the store does not send it ({_text(error)})"


def without_access(scheme: str, extra: str | None) -> str:
    """The clause for missing credentials; `extra` is that of the driver."""
    return f"there are no credentials for {scheme}://: {_ADVICE[extra]}"


def refusal_of(error: BaseException) -> str | int | None:
    """The code that the store gave, such as AccessDenied, else the status of HTTP; None where it gave no answer."""
    return _code(error) or _status(error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that caused it."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _code(error: BaseException) -> str | None:
    """The code that the store gave, such as AccessDenied."""
    for cause in _chain(error):
        response = getattr(cause, "response", None)
        code = (
            response.get("Error", {}).get("Code") if isinstance(response, dict) else getattr(cause, "error_code", None)
        )
        if isinstance(code, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9.]{2,60}", code):
            return code
    return None


def _status(error: BaseException) -> int | None:
    """The status of the HTTP answer."""
    for cause in _chain(error):
        response = getattr(cause, "response", None)
        if isinstance(response, dict):
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        else:
            status = getattr(response, "status_code", None) or getattr(cause, "status_code", None)
            status = status or (
                getattr(cause, "code", None) if type(cause).__name__ == "HttpError" else None
            )  # of gcsfs
        if isinstance(status, int) and not isinstance(status, bool) and status >= 400:
            return status
    return None


def _in_brackets(code: str | int | None) -> str:
    if code is None:
        return ""
    return f" (HTTP {code})" if isinstance(code, int) else f" ({code})"


def _text(error: BaseException) -> str:
    return without_secrets(f"{type(error).__name__}: {error}")
