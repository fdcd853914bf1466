"""A detector on several devices: what is known of it is here, the networks are in the processes of a pool."""

from dataclasses import replace
from typing import Any, NoReturn

from detcli.inference.detector import Detector
from detcli.inference.postprocessing.selection import Selection
from detcli.inference.preprocessing.array_preprocessor import ArrayPreprocessor
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.pipeline.detection_stage import StageSettings
from detcli.pipeline.devices.device_stage import DeviceStage
from detcli.pipeline.devices.messages import ModelLoaded, RuntimeFacts
from detcli.pipeline.devices.worker_pool import LoadListener, PoolSettings, WorkerPool
from detcli.runtimes.runtime import SynchronousRuntime
from detcli.sources.source import Source


class MultiDeviceDetector(Detector):
    """Detects in the images of a source in the processes of a pool; `close` ends them.

    It has what is known of the detector of the first process, and takes no images itself: `pipeline.run` calls `stage`.
    """

    def __init__(self, loaded: ModelLoaded, pool: WorkerPool, devices: str) -> None:
        super().__init__(
            loaded.model,
            _RemoteRuntime(loaded.runtime),
            preprocessor=ArrayPreprocessor(loaded.preprocessing),
            selection=loaded.selection,
            batches=replace(loaded.batches, size=loaded.batch_size),
            segmentation=loaded.segmentation,
        )
        self.tiles = loaded.tiles
        self._pool, self._devices = pool, devices
        self._stage: DeviceStage | None = None

    @property
    def device_name(self) -> str:
        """All devices, such as "cuda:0,cuda:1"; `runtime.device_name` is the first one."""
        return self._devices

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences of all runtimes, each once."""
        return () if self._stage is None else tuple(self._stage.remarks)

    @property
    def shares(self) -> tuple[tuple[str, int], ...]:
        """Each device, as messages name it, and the number of images that it has processed in the run so far."""
        if self._stage is None:
            return ()
        return tuple((load.worker.label, load.done) for load in self._stage.dispatcher.loads)

    def stage(self, source: Source, settings: StageSettings) -> DeviceStage:
        """The stage of a run over a source."""
        ahead = self.look_ahead + (1 + self.batches_in_flight) * self.batch_size + 2 * self._pool.decoders
        self._stage = DeviceStage(
            self._pool,
            source,
            self.labels,
            settings,
            batch_size=self.batch_size,
            most=ahead,
            deterministic=self.deterministic,
        )
        return self._stage

    def close(self) -> None:
        """End the processes."""
        self._pool.close()

    def _copy(
        self, selection: Selection, segmentation: SegmentationSettings | None, size: int
    ) -> "MultiDeviceDetector":
        if (selection, segmentation, size) != (self.selection, self.segmentation, self.batch_size):
            raise ValueError("the processes of several devices have loaded their detectors, whose settings are fixed")
        return self


class _RemoteRuntime(SynchronousRuntime[Any, Any]):
    """The names of a runtime in other processes."""

    def __init__(self, facts: RuntimeFacts) -> None:
        self.name, self.device_name, self.precision = facts.name, facts.device_name, facts.precision
        self.batches_in_flight, self.fixed_batch = facts.batches_in_flight, facts.fixed_batch

    def __call__(self, batch: Any) -> NoReturn:
        """Refuse: the network is elsewhere."""
        raise ValueError("the network is in other processes: only a run over a source reaches it")


def load_on_devices(settings: PoolSettings, listener: LoadListener, on_warning: Any) -> MultiDeviceDetector:
    """Start a process for each device and load the model in all of them.

    listener    gets what happens while the model is loaded
    on_warning  gets sentences about processes that were lost later

    Raises what `load_detector` raises, once for all processes, which are ended then.
    """
    pool = WorkerPool(settings, on_warning)
    return MultiDeviceDetector(pool.load(listener), pool, settings.settings["device"])
