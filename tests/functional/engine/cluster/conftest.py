"""Ray for these tests, started once, as small as it can be."""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli_fixtures import _no_user_settings, _one_thread, images, model
from tests.helpers.cli_runs import broken, image
from tests.helpers.object_store import environment_of, s3, store_server
from tests.helpers.processes import all_cores, environment

__all__ = ["_no_user_settings", "_one_thread", "images", "model", "s3", "store_server"]


@pytest.fixture(scope="session")
def ray(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Ray with two processors, in this process; runs with `cluster="auto"` use it, and its workers the server of S3."""
    module = pytest.importorskip("ray")
    before = dict(os.environ)
    os.environ.update(environment(), RAY_USAGE_STATS_ENABLED="0", DETCLI_RUNTIME_CACHE="")
    if find_spec("moto") is not None:
        os.environ.update(environment_of(request.getfixturevalue("store_server")))
    try:
        with all_cores():
            module.init(
                address="local",
                num_cpus=2,
                include_dashboard=False,
                object_store_memory=100_000_000,
                log_to_driver=False,
                logging_level="CRITICAL",
            )
        yield module
    finally:
        module.shutdown()
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module", autouse=True)
def _all_cores() -> Iterator[None]:
    """Ray waits only so long for its many processes."""
    with all_cores():
        yield


@pytest.fixture
def many(images: Path) -> list[str]:
    """A folder with 40 images, some of them in a folder of their own, one image that is cut short, and one that is missing."""
    for number in range(5, 40):
        image(images / ("sub" if number % 3 else "") / f"{number}.png", number)
    broken(images / "broken.png")
    return ["in", "in/none.png"]
