"""A small package that extends detcli by entry points, installed into a folder for `PYTHONPATH`."""

from pathlib import Path

FORMATS = '''
"""A format with one line of text per detection."""

from detcli.io.results import Format, StoredBox, StoredImage
from detcli.sinks.sink import BaseSink

FORMAT = Format(
    "acme",
    "Acme text",
    "one line of text per detection",
    (".acme",),
    writer="acme_detcli.formats:AcmeSink",
    reader="acme_detcli.formats:read_acme",
)


class AcmeSink(BaseSink):
    ordered = True
    needs_pixels = False

    def __init__(self, target, settings):
        self._labels = settings.info.labels
        self._target = target
        self._file = target.open("w") if hasattr(target, "open") else None

    def write(self, frame, detections):
        lines = [f"{frame.origin.file} image\\n"]
        for class_id, score in zip(detections.class_ids.tolist(), detections.scores.tolist()):
            lines.append(f"{frame.origin.file} {self._labels.names[class_id]} {score}\\n")
        if self._file is None:
            self._target.write("".join(lines).encode())
        else:
            self._file.writelines(lines)

    def close(self, *, complete):
        if self._file is not None:
            self._file.close()


def read_acme(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        file, label, *score = line.split(" ")
        boxes = (StoredBox(label, None, float(score[0]), (0.0, 0.0, 1.0, 1.0)),) if score else ()
        yield StoredImage(f"line {number}", file, None, None, boxes)
'''

SOURCES = '''
"""A source that makes as many images as its argument says: `acme:3`."""

import numpy as np

from detcli.structures.frame import Frame, Origin


class AcmeItem:
    def __init__(self, index):
        name = f"acme-{index}"
        self.origin = Origin(index, f"acme:{index}", f"{name}.png", name)

    def __call__(self, resize=None):
        pixels = np.full((32, 48, 3), 40 * self.origin.index, np.uint8)
        return Frame(self.origin, (32, 48), pixels)


class AcmeSource:
    def __init__(self, arguments, settings):
        [argument] = arguments
        self._count = int(argument.removeprefix("acme:"))

    def __iter__(self):
        return map(AcmeItem, range(self._count))

    def count(self):
        return self._count
'''

ENTRY_POINTS = {
    "detcli.sinks": "acme = acme_detcli.formats:FORMAT",
    "detcli.sources": "acme = acme_detcli.sources:AcmeSource",
}


def install(folder: Path, entry_points: dict[str, str] | None = None, *, name: str = "acme-detcli") -> Path:
    """Install the package into a folder, as pip would: modules, and a dist-info with entry points."""
    module = folder / "acme_detcli"
    module.mkdir(parents=True, exist_ok=True)
    (module / "__init__.py").write_text("")
    (module / "formats.py").write_text(FORMATS)
    (module / "sources.py").write_text(SOURCES)
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    points = ENTRY_POINTS if entry_points is None else entry_points
    (info / "entry_points.txt").write_text("".join(f"[{group}]\n{lines}\n" for group, lines in points.items()))
    return folder
