"""Where a run may go, how a cluster is shared out, and what is refused before anything starts."""

import pickle
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from detcli.engine.cluster.cluster_checks import (
    check_cluster,
    check_other_state,
    kept_target,
    plan_parts,
    without_kept,
)
from detcli.engine.cluster.ray_session import WorkerShare, problem_of, share_of
from detcli.engine.cluster.worker_job import WorkerJob
from detcli.engine.outputs.output_plan import make_plan
from detcli.engine.requests.cluster_settings import ClusterSettings
from detcli.engine.requests.run_request import (
    ComputeSettings,
    ImageInputSettings,
    ImageRequest,
    OutputSettings,
    RunRequest,
    VideoInputSettings,
    VideoRequest,
)
from detcli.errors import LibraryError, OutputError, UsageError
from detcli.io.remote.store_path import StorePath, as_path

CLUSTER = ClusterSettings(address="local")


def images(cluster: ClusterSettings | None = CLUSTER, **others: Any) -> ImageRequest:
    fields = {"output": OutputSettings(outputs=("o.jsonl",))} | others
    return ImageRequest(input=ImageInputSettings(sources=("in",)), cluster=cluster, **fields)


def videos(source: str = "a.mp4", live: bool | None = None, **others: Any) -> VideoRequest:
    return VideoRequest(input=VideoInputSettings(sources=(source,), live=live), cluster=CLUSTER, **others)


@pytest.mark.parametrize("address", ["auto", "local", "ray://head:10001", "ray://10.0.0.1:1", "ray://[::1]:10001"])
def test_addresses_of_clusters(address: str) -> None:
    assert ClusterSettings.of(address, 3, 4) == ClusterSettings(address=address, workers=3, chunk=4)


@pytest.mark.parametrize(
    "address", ["", "Local", "ray", "ray://", "ray://head", "ray://head:port", "ray://u:p@head:1", "http://h:1"]
)
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(UsageError, match="`cluster` must be local, auto or ray://HOST:PORT"):
        ClusterSettings.of(address)


@pytest.mark.parametrize(("workers", "chunk", "name"), [(2, None, "workers"), (None, 2, "chunk")])
def test_settings_of_a_cluster_need_one(workers: int | None, chunk: int | None, name: str) -> None:
    with pytest.raises(UsageError, match=f"`cluster_{name}` needs `cluster`"):
        ClusterSettings.of(None, workers, chunk)
    assert ClusterSettings.of(None) is None


@pytest.mark.parametrize("value", [0, -1, 10**9])
def test_numbers_out_of_range_are_refused(value: int) -> None:
    for name in ("workers", "chunk"):
        with pytest.raises(UsageError, match=f"`cluster_{name}`"):
            ClusterSettings(address="local", **{name: value})


@pytest.mark.parametrize(
    ("nodes", "workers", "device", "share"),
    [
        ([{"CPU": 2}], None, "auto", WorkerShare(1, 2.0, 0)),
        ([{"CPU": 2}], 2, "auto", WorkerShare(2, 1.0, 0)),
        ([{"CPU": 2}], 4, "auto", WorkerShare(4, 0.5, 0)),
        ([{"CPU": 64}], None, "auto", WorkerShare(16, 4.0, 0)),
        ([{"CPU": 8}, {"CPU": 8}], 1, "auto", WorkerShare(1, 8.0, 0)),
        ([{"CPU": 32, "GPU": 4}, {"CPU": 32, "GPU": 4}, {"CPU": 8}], None, "auto", WorkerShare(8, 8.0, 1)),
        ([{"CPU": 32, "GPU": 4}], None, "cpu", WorkerShare(8, 4.0, 0)),
        ([{"CPU": 32, "GPU": 4}], 2, "cuda", WorkerShare(2, 8.0, 1)),
    ],
)
def test_workers_share_processors_and_gpus(
    nodes: list[dict[str, float]], workers: int | None, device: str, share: WorkerShare
) -> None:
    assert share_of(nodes, workers, device) == share


def test_a_gpu_that_no_machine_has_is_refused() -> None:
    with pytest.raises(UsageError, match="the cluster has no GPU"):
        share_of([{"CPU": 2}], None, "cuda")


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (images(output=OutputSettings(outputs=("o.jsonl",), save_images=Path("d"))), "`save_images`.*detcli draw"),
        (images(output=OutputSettings(outputs=("o.jsonl",), save_crops=Path("d"))), "`save_crops`"),
        (images(output=OutputSettings(outputs=("o.jsonl",), save_masks=Path("d"))), "`save_masks`"),
        (images(output=OutputSettings(outputs=("o/",), no_scores=True)), "`no_scores`.*detcli convert"),
        (images(output=OutputSettings(outputs=("o/",), format="csv", select="top:1")), "`select`.*detcli filter"),
        (images(output=OutputSettings(outputs=("o.jsonl",), counts=Path("c.csv"))), "`counts`.*with 'detcli count'"),
        (images(compute=ComputeSettings(device="cuda:1")), "`device=cuda:1`.*its own GPU"),
        (images(compute=ComputeSettings(device="mps")), "`device=mps`"),
        (images(ClusterSettings(address="auto"), output=OutputSettings()), "name a file on storage"),
        (images(ClusterSettings(address="ray://h:1"), output=OutputSettings(outputs=("-",))), "name a file on storage"),
        (replace(images(), input=ImageInputSettings(sources=("in",), watch=True)), "`watch`.*one process"),
        (
            images(output=OutputSettings(outputs=("s3://key:secret@b/out/",), format="parquet")),
            "'s3://b/out/' was given with credentials: set them in the environment",
        ),
        (
            images(ClusterSettings(address="auto"), output=OutputSettings(outputs=("s3://b/o.jsonl",))),
            "name a file on storage",
        ),
        (videos(save_video=Path("o.mp4")), "`save_video`"),
        (videos(show=True), "`show`"),
        (videos(live=True), "`live`"),
        (videos("-"), "standard input"),
    ],
)
def test_what_a_cluster_cannot_do_is_refused_with_a_remedy(request_: RunRequest, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        check_cluster(request_)


def test_without_a_cluster_nothing_is_refused() -> None:
    check_cluster(images(None, compute=ComputeSettings(device="cuda:1")))


@pytest.mark.parametrize(
    ("outputs", "name", "kept"),
    [
        (("out/",), "parquet", "out"),
        (("out/",), "jsonl", "out"),
        (("out/",), "coco", "out"),
        (("s3://b/out/",), "parquet", "s3://b/out"),
        (("s3://b/",), "csv", "s3://b"),
        (("s3://b/out",), "csv", None),
        (("out/",), "yolo", None),
        (("out/",), "coco-panoptic", None),
        (("out/",), None, None),
        (("out.jsonl",), "jsonl", None),
        (("a/", "b/"), "jsonl", None),
    ],
)
def test_a_folder_and_the_format_of_a_file_keep_the_parts(
    outputs: tuple[str, ...], name: str | None, kept: str | None
) -> None:
    target = kept_target(OutputSettings(outputs=outputs, format=name))
    assert (target and str(target.path)) == kept


def test_a_run_is_resumed_where_it_was_interrupted(tmp_path: Path) -> None:
    output = OutputSettings(outputs=(str(tmp_path / "o.jsonl"),), resume=True)
    alone, shared = images(None, output=output), images(output=output)
    plans = [plan_parts(request, make_plan(output, None)) for request in (alone, shared)]
    for plan in plans:
        check_other_state(plan, output)
    (tmp_path / "o.jsonl.parts").mkdir()
    check_other_state(plans[1], output)
    with pytest.raises(
        OutputError, match=r"o\.jsonl\.parts' is of an interrupted run on a cluster; continue it with `cluster`"
    ):
        check_other_state(plans[0], output)
    check_other_state(plans[0], replace(output, resume=False))
    (tmp_path / "o.jsonl.parts").rmdir()
    (tmp_path / "o.jsonl.journal").touch()
    with pytest.raises(
        OutputError, match=r"journal' is of an interrupted run in one process; continue it without `cluster`"
    ):
        check_other_state(plans[1], output)


@pytest.mark.parametrize(("output", "parts"), [("a/o.jsonl", "a/o.jsonl.parts"), ("labels/", "labels.parts")])
def test_parts_are_next_to_the_output_in_place_of_the_journal(output: str, parts: str) -> None:
    request = images(output=OutputSettings(outputs=(output,)))
    plan = plan_parts(request, make_plan(request.output, None))
    assert (plan.journal, plan.parts, plan.state) == (None, Path(parts), Path(parts))
    assert Path(parts) in plan.paths


@pytest.mark.parametrize("address", ["local", "auto", "ray://h:1"])
def test_parts_are_below_a_prefix_that_keeps_them(address: str) -> None:
    request = images(
        ClusterSettings(address=address), output=OutputSettings(outputs=("s3://b/out/",), format="parquet", resume=True)
    )
    check_cluster(request)
    plan = plan_parts(request, make_plan(without_kept(request.output), None))
    assert (str(plan.parts), plan.state, plan.kept_folders) == (
        "s3://b/out/.parts",
        plan.parts,
        (as_path("s3://b/out"),),
    )
    loaded = pickle.loads(pickle.dumps(plan))
    assert (str(loaded.parts), type(loaded.parts)) == (str(plan.parts), StorePath)


@pytest.mark.parametrize(
    ("output", "error", "sentence"),
    [
        ("memory://b/out/", UsageError, "in the memory of one process"),
        ("hf://datasets/a/b/out/", UsageError, "write the folder to this machine"),
        ("gs://b/out/", LibraryError, "gs:// needs gcsfs, which is not installed"),
    ],
)
def test_stores_that_cannot_keep_parts_are_named(output: str, error: type[Exception], sentence: str) -> None:
    if output.startswith("gs:") and find_spec("gcsfs") is not None:
        pytest.skip("the driver is installed")
    request = images(output=OutputSettings(outputs=(output,), format="jsonl"))
    with pytest.raises(error, match=sentence):
        plan_parts(request, make_plan(without_kept(request.output), None))


def test_only_addresses_need_no_common_folder() -> None:
    kept, addresses = OutputSettings(outputs=("s3://b/out/",), format="jsonl"), ("s3://b/in/", "https://h/a.png")

    def is_remote(parts: Path, **settings: Any) -> bool:
        request = replace(images(output=kept), input=ImageInputSettings(**settings))
        return WorkerJob(request, make_plan(without_kept(kept), None), parts, Path(), "", 1).is_remote

    assert is_remote(as_path("s3://b/out/.parts"), sources=addresses)
    assert not is_remote(as_path("s3://b/out/.parts"), sources=(*addresses, "in/"))
    assert not is_remote(as_path("s3://b/out/.parts"), sources=addresses, files_from="list.txt")
    assert not is_remote(Path("out.jsonl.parts"), sources=addresses)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("", "ConnectionError"),
        ("\n  ray client connection timeout. \n", "ray client connection timeout"),
        ("The actor died.\nIts worker was killed.", "The actor died"),
        ("Initialization failure from server:\n", "Initialization failure from server:"),
        (
            "Initialization failure from server:\nTraceback (most recent call last):\n  File ...\nRuntimeError: no channel.\n",
            "Initialization failure from server: RuntimeError: no channel",
        ),
    ],
)
def test_an_error_of_ray_is_its_sentence_and_its_reason(message: str, shown: str) -> None:
    assert problem_of(ConnectionError(message)) == shown
