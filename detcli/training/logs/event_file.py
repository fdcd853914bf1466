"""Events for TensorBoard, written at once.

TensorBoard's own writer has a thread, which prints a traceback when the disk is full.
"""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from detcli.structures.frame import Pixels
from detcli.training.logs.validation_images import as_jpeg


class EventFile:
    """A file of events in TensorBoard's format.

    steps  number of steps before; TensorBoard drops the events of other files from there on

    Every method but `close` raises OSError.
    """

    def __init__(self, folder: Path, *, steps: int) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary = event_pb2.Event, summary_pb2.Summary
        folder.mkdir(parents=True, exist_ok=True)
        first = time.time_ns()  # files are read in the order of their names
        name = f"events.out.tfevents.{first // 10**9:010d}.{socket.gethostname()}.{os.getpid()}.{first % 10**9:09d}"
        self._file = (folder / name).open("wb")
        try:
            self._records = RecordWriter(self._file)
            self._write(file_version="brain.Event:2")
            if steps:
                start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
                self._write(step=steps + 1, session_log=start)
        except BaseException:
            self.close()
            raise

    def add_scalars(self, scalars: Mapping[str, float], step: int) -> None:
        """Add the values of a step by their tags."""
        values = [self._summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
        self._write(step=step, summary=self._summary(value=values))

    def add_images(self, images: Mapping[str, Pixels], step: int) -> None:
        """Add images, uint8 [H, W, 3] RGB, by their tags."""
        for tag, pixels in images.items():
            height, width = pixels.shape[:2]
            image = self._summary.Image(height=height, width=width, colorspace=3, encoded_image_string=as_jpeg(pixels))
            self._write(step=step, summary=self._summary(value=[self._summary.Value(tag=tag, image=image)]))

    def add_text(self, tag: str, text: str, step: int) -> None:
        """Add a text in Markdown."""
        from tensorboard.plugins.text.summary_v2 import text_pb

        self._write(step=step, summary=text_pb(tag, text))

    def close(self) -> None:
        """Close the file; safe twice."""
        with suppress(OSError):  # bytes that could not be written before
            self._file.close()

    def _write(self, **fields: Any) -> None:
        self._records.write(self._event(wall_time=time.time(), **fields).SerializeToString())
        self._file.flush()
