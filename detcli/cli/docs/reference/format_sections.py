"""Sections of docs/reference/records.md about formats for data frames, labeling tools and trackers."""

from collections.abc import Iterator

from detcli.cli.docs.reference.markdown import code_block


def parquet_section() -> Iterator[str]:
    """The columns of both kinds of rows."""
    yield from ("", "## Parquet", "")
    yield "Needs the package `pyarrow`. The file appears when the run ends. One row per image, with the keys of a record as columns:"
    yield "`index`, `file`, `frame`, `time_s`, `width`, `height`, `detections` and `error`. `detections` is a list of structs with"
    yield "`label`, `label_id`, `category_id`, `score`, `bbox`, `track_id`, `bbox_std`, `segment_id`, `is_thing` and `segmentation`. It is"
    yield "empty for an image without detections, and null for a failed image."
    yield ""
    yield "With `--rows boxes` it is one row per box: `index`, `label_id` and the columns of CSV, the columns of `--track` and"
    yield "`--uncertainty`, then `segment_id`, `is_thing` and `segmentation`. Images without detections and failed images have no row."
    yield ""
    yield from code_block(
        """detcli detect images/ -o out.parquet
duckdb -c "select file, d.label, d.score from (select file, unnest(detections) as d from 'out.parquet') where d.score > 0.8"
detcli detect images/ -o boxes.parquet --rows boxes
python -c "import pandas; print(pandas.read_parquet('boxes.parquet').groupby('label').score.mean())\"""",
        "bash",
    )
    yield ""
    yield "Every file has the same columns: what a run does not give is null. Coordinates and scores are float32. A byte of a file name"
    yield "that is not UTF-8 is written as `\\udcff`, and `eval` reads it back. The footer has the metadata of the run as JSON under the"
    yield "key `detcli`, as in the [header line](#header-line), and `complete`, which is false after an interrupted run:"
    yield "`pyarrow.parquet.read_metadata('out.parquet').metadata[b'detcli']`. Row groups have about 16 MB of content."


def label_studio_section() -> Iterator[str]:
    """Tasks, the labeling configuration, and what the format cannot hold."""
    yield from ("", "## Label Studio", "")
    yield "`detcli detect images/ -f label-studio -o tasks.json` writes a list of tasks with predictions, to import into a project. An image"
    yield "without detections has a task with an empty `result`; a failed image has none."
    yield ""
    yield from code_block(_TASK, "json")
    yield ""
    yield "`x`, `y`, `width` and `height` are in percent of the image. `score` of a box is its confidence; that of the prediction is their"
    yield "mean, by which Label Studio sorts tasks, and is missing where there are no boxes. `model_version` is the model. With `--track` and"
    yield "`--uncertainty`, a box has `meta` with `track_id` and `bbox_std`. Masks are not written: use COCO."
    yield ""
    yield "`image` of a local file is its path below the folder that was given, for Label Studio's local storage: start it with"
    yield "`LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true` and `LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT` as that folder. A URL stays as it is."
    yield "Label Studio cannot show frames of videos as images, and a warning counts their tasks. The labeling configuration of the project must"
    yield "have these names and all classes that are detected:"
    yield ""
    yield from code_block(_CONFIGURATION, "xml")
    yield ""
    yield "`eval` reads tasks with one prediction each, also those that Label Studio exports with predictions."


def voc_section() -> Iterator[str]:
    """The elements, what is decided where Pascal VOC leaves it open, and what the format cannot hold."""
    yield from ("", "## Pascal VOC", "")
    yield "`detcli detect images/ -f voc -o out/` writes a folder with one XML file per image. The file of an image without detections has no"
    yield "`object`; a failed image has no file."
    yield ""
    yield from code_block(_VOC, "xml")
    yield ""
    yield "Coordinates are as everywhere in detcli: from 0, and not rounded; `xmax` and `ymax` are the right and bottom edge. (The files of the"
    yield "challenges have integers from 1.) Annotations have no scores by convention, and programs that read them ignore `score`; `eval` needs it."
    yield "`--no-scores` leaves it out. With `--track` an object has `track_id`, with `--uncertainty` `bbox_std`; a frame of a video has `frame` and `time_s`."
    yield "Masks are not written: use COCO. A character that XML cannot hold, and a byte of a name that is not UTF-8, is written as `\\u001b`,"
    yield "`\\udcff`, and read back."
    yield ""
    yield "Programs that read whole data sets, such as datumaro, want the layout of VOCdevkit: this folder as `Annotations/`, the images as"
    yield "`JPEGImages/`, and their names without suffix in `ImageSets/Main/train.txt`."


def mot_section() -> Iterator[str]:
    """The columns, and what the format cannot hold."""
    yield from ("", "## MOT", "")
    yield "`detcli video in.mp4 --track --classes person -f mot -o in.txt` writes the text of MOTChallenge, which TrackEval and motmetrics read:"
    yield ""
    yield from code_block("1,4,11.1,21.2,100.2,200.2,0.93,-1,-1,-1")
    yield ""
    yield "The columns are the frame, the track id, left, top, width and height of the box, and the score. Frames and pixels are counted from 1,"
    yield "as in MOTChallenge: a frame is `frame` of the record plus 1 (of images `index` plus 1), left and top are those of `bbox` plus 1. Without"
    yield "`--track` the id is -1. Use one file for each video (`-o '{name}.txt'`). The format holds no class, mask, `bbox_std`, name or failure, and"
    yield "no frame without boxes; `eval` therefore cannot read it."


_TASK = """[
{"data":{"image":"/data/local-files/?d=a.jpg","file":"images/a.jpg","index":0,"width":640,"height":480},"predictions":[{"model_version":"dfine-s","score":0.93,"result":[{"id":"1","type":"rectanglelabels","from_name":"label","to_name":"image","original_width":640,"original_height":480,"image_rotation":0,"value":{"x":1.953125,"y":6.3020835,"width":31.25,"height":31.354166,"rotation":0,"rectanglelabels":["dog"]},"score":0.93}]}]}
]"""
_VOC = """<annotation>
  <folder>sub</folder>
  <filename>a.jpg</filename>
  <path>images/sub/a.jpg</path>
  <size><width>640</width><height>480</height><depth>3</depth></size>
  <segmented>0</segmented>
  <object>
    <name>dog</name>
    <pose>Unspecified</pose>
    <truncated>0</truncated>
    <difficult>0</difficult>
    <bndbox><xmin>12.5</xmin><ymin>30.25</ymin><xmax>212.5</xmax><ymax>180.75</ymax></bndbox>
    <score>0.93</score>
  </object>
</annotation>"""
_CONFIGURATION = """<View>
  <Image name="image" value="$image"/>
  <RectangleLabels name="label" toName="image">
    <Label value="dog"/>
    <Label value="person"/>
  </RectangleLabels>
</View>"""
