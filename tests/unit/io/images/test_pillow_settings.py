"""Pillow's process-wide settings change only while detcli decodes."""

import subprocess
import sys
import threading
import warnings

import pytest
from PIL import Image

from detcli.io.images.pillow_settings import pillow_settings


@pytest.fixture(autouse=True)
def limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)


def test_the_limit_is_raised_inside_and_restored_after() -> None:
    with pillow_settings(200):
        assert Image.MAX_IMAGE_PIXELS == 200
    assert Image.MAX_IMAGE_PIXELS == 100


def test_the_limit_is_never_lowered() -> None:
    with pillow_settings(50):
        assert Image.MAX_IMAGE_PIXELS == 100


def test_no_limit_stays_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pillow_settings(50):
        assert Image.MAX_IMAGE_PIXELS is None
    assert Image.MAX_IMAGE_PIXELS is None


def test_of_overlapping_calls_the_largest_limit_applies() -> None:
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with pillow_settings(300):
            entered.set()
            leave.wait(10)

    with pillow_settings(200):
        thread = threading.Thread(target=other)
        thread.start()
        assert entered.wait(10)
        assert Image.MAX_IMAGE_PIXELS == 300
        leave.set()
        thread.join()
        assert Image.MAX_IMAGE_PIXELS == 200
    assert Image.MAX_IMAGE_PIXELS == 100


def test_a_limit_that_others_set_meanwhile_stays() -> None:
    with pillow_settings(200):
        Image.MAX_IMAGE_PIXELS = 150
    assert Image.MAX_IMAGE_PIXELS == 150


def test_warnings_of_pillow_are_hidden_inside_and_shown_after(recwarn: pytest.WarningsRecorder) -> None:
    def warn() -> None:
        warnings.warn_explicit("odd", UserWarning, "Image.py", 1, module="PIL.Image", registry={})

    filters = list(warnings.filters)
    with pillow_settings():
        warn()
        assert not recwarn.list
    assert warnings.filters == filters
    warn()
    assert len(recwarn.list) == 1


def test_settings_are_restored_after_an_exception() -> None:
    filters = list(warnings.filters)
    with pytest.raises(ZeroDivisionError), pillow_settings(200):
        raise ZeroDivisionError
    assert Image.MAX_IMAGE_PIXELS == 100
    assert warnings.filters == filters


def test_many_threads_leave_the_settings_as_they_were() -> None:
    filters = list(warnings.filters)

    def work(limit: int) -> None:
        for _ in range(200):
            with pillow_settings(limit):
                assert Image.MAX_IMAGE_PIXELS is not None
                assert limit <= Image.MAX_IMAGE_PIXELS

    threads = [threading.Thread(target=work, args=(limit,)) for limit in (50, 150, 250, 350)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Image.MAX_IMAGE_PIXELS == 100
    assert warnings.filters == filters


def test_importing_the_decoder_changes_no_setting() -> None:
    code = """
import logging, warnings
from PIL import Image, ImageFile
state = lambda: (list(warnings.filters), Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES,
                 list(logging.getLogger("PIL").handlers), list(logging.getLogger().handlers))
import numpy
before = state()
import detcli.io.images.decode, detcli.io.images.headers, detcli.io.images.read_frame
assert state() == before
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
