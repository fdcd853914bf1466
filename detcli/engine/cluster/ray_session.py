"""Ray for one run: started on this machine, or a cluster that is joined; and what each worker gets of it."""

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from detcli.engine.cluster.session_signals import held_signals, later_signals
from detcli.engine.observer import Observer
from detcli.engine.requests.cluster_settings import ClusterSettings
from detcli.errors import DeviceError, HubError, UsageError
from detcli.extras import install_command
from detcli.libraries import optional_library, problem
from detcli.runtimes.process import processors

_PROCESSORS_PER_WORKER = 4  # of machines without GPUs
_STORE_BYTES: Final = 100_000_000  # for chunks of names and counts: results and pixels never go through Ray
_LONGEST_FOLDER = 30  # characters: Ray's sockets below it must have names of at most 107
_PORT_S = 10.0
_AUTH = "RAY_AUTH_MODE"
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SCHEDULER_EVENTS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
_QUIET = {"log_to_driver": False, "logging_level": "CRITICAL"}


@dataclass(frozen=True, slots=True)
class WorkerShare:
    """How many workers a run has, and the processors and GPUs of each one."""

    count: int
    processors: float
    gpus: int


@dataclass(frozen=True, slots=True)
class RaySession:
    """Ray, connected.

    ray    the module
    share  of each worker
    check  to be called again and again: raises SystemExit once the process is to end
    """

    ray: Any
    share: WorkerShare
    check: Callable[[], None]


@contextmanager
def ray_session(settings: ClusterSettings, device: str, observer: Observer) -> Iterator[RaySession]:
    """Start Ray on this machine or join a cluster; at the end, what was started here ends, and a joined cluster stays.

    device  auto, cpu or cuda

    Raises LibraryError without Ray, UsageError if there is no such cluster or no GPU, HubError if it cannot be reached,
    DeviceError if Ray cannot be started.
    """
    with _environment(), later_signals() as check:
        ray = optional_library("ray", need="`cluster` needs", install=install_command("ray"))
        _silence()
        check()
        if ray.is_initialized() and settings.address != "auto":
            raise UsageError("Ray runs in this process already: use `cluster=auto`")
        opened = _started if settings.address == "local" else _joined
        with opened(ray, settings, observer):
            nodes = [node.get("Resources", {}) for node in ray.nodes() if node.get("Alive")]
            yield RaySession(ray, share_of(nodes, settings.workers, device), check)


def share_of(nodes: Sequence[dict[str, float]], workers: int | None, device: str) -> WorkerShare:
    """Share the machines out among the workers: one for each GPU; without GPUs, one for each four processors.

    nodes    resources of each machine, as Ray names them
    workers  number of workers; None: by the resources

    Raises UsageError if the device is cuda, and there is no GPU.
    """
    cpus, gpus = (sum(node.get(name, 0) for node in nodes) for name in ("CPU", "GPU"))
    if device == "cuda" and not gpus:
        raise UsageError("the cluster has no GPU: use `device=auto` or `device=cpu`")
    uses_gpus = gpus > 0 and device != "cpu"
    count = workers or max(1, int(gpus) if uses_gpus else int(cpus) // _PROCESSORS_PER_WORKER)
    of_machine = max(
        (node.get("CPU", 0) / max(1, node.get("GPU", 0) if uses_gpus else 1) for node in nodes if node.get("CPU")),
        default=1,
    )
    each = min(cpus / count, of_machine)
    return WorkerShare(count, float(int(each)) if each >= 1 else round(each, 4), 1 if uses_gpus else 0)


@contextmanager
def _started(ray: Any, settings: ClusterSettings, observer: Observer) -> Iterator[None]:
    observer.on_cluster("starting Ray on this machine")
    usual = tempfile.gettempdir()
    folder = tempfile.mkdtemp(prefix="detcli-ray-", dir=usual if len(usual) <= _LONGEST_FOLDER else "/tmp")  # noqa: S108
    try:
        try:
            with held_signals():
                ray.init(
                    address="local",
                    num_cpus=processors(),
                    include_dashboard=False,
                    object_store_memory=_STORE_BYTES,
                    _temp_dir=folder,
                    **_QUIET,
                )
        except Exception as error:  # of the other package: of any kind
            raise DeviceError(f"Ray cannot be started on this machine: {problem_of(error)}") from error
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _joined(ray: Any, settings: ClusterSettings, observer: Observer) -> Iterator[None]:
    if ray.is_initialized():  # by the program that called detcli
        yield
        return
    address = os.environ.get("RAY_ADDRESS", "auto") if settings.address == "auto" else settings.address
    observer.on_cluster("joining the Ray cluster" + (f" {address}" if address != "auto" else ""))
    _check_port(address)
    try:
        with held_signals():
            ray.init(address=settings.address, **_QUIET)
    except ConnectionError as error:
        if address == "auto":
            raise UsageError(
                "this machine is in no Ray cluster: name one as `cluster=ray://HOST:PORT`, or use `cluster=local`"
            ) from error
        hint = "" if _AUTH in os.environ else f"; a cluster with tokens needs {_AUTH}=token and its token"
        raise HubError(f"cannot reach the Ray cluster {address}: {problem_of(error)}{hint}") from error
    except ImportError as error:
        raise UsageError(
            f"`cluster` needs ray's client, which {problem(error, 'ray', install=install_command('ray'))}"
        ) from error
    except Exception as error:  # other versions of Ray and of Python, for example
        raise HubError(f"cannot join the Ray cluster {address}: {problem_of(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()  # leaves the cluster, which stays


def _check_port(address: str) -> None:
    """Raise HubError where nothing listens at the address: Ray would try for minutes."""
    host, _, port = address.removeprefix("ray://").rstrip("/").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PORT_S).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise HubError(f"cannot reach the Ray cluster {address}: {reason}") from error


def problem_of(error: BaseException) -> str:
    """The first sentence of an error of Ray, whose messages have many lines; the last one too if it is the reason.

    An error of the cluster is a sentence that ends with a colon, and a traceback, whose last line says what happened.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    shown = f"{lines[0]} {lines[-1]}" if lines[0].endswith(":") and len(lines) > 1 else lines[0]
    return shown[:300].rstrip(".")


def _silence() -> None:
    """Keep Ray from printing on standard output, which belongs to the results, and from ending the process at SIGTERM."""
    with suppress(ImportError):
        from ray._private import utils, worker

        worker._worker_logs_enabled = False
        utils.set_sigterm_handler = lambda _: None


@contextmanager
def _environment() -> Iterator[None]:
    """Ray reports no usage, prints no events, leaves CUDA_VISIBLE_DEVICES of workers without GPUs alone.

    At the end, the environment is as it was: Ray sets its kind of authentication in it.
    """
    before = {name: os.environ.get(name) for name in (*_ENVIRONMENT, _AUTH)}
    os.environ.update(_ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
