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
