"""After an error, the command that helps."""

import pytest

from detcli.cli.framework.hints import hints_for
from detcli.errors import (
    DataError,
    DetcliError,
    HubError,
    InputError,
    NotCachedError,
    SourceError,
    UnknownClassError,
    UnknownModelError,
)


@pytest.mark.parametrize(
    ("error", "command", "hint"),
    [
        (UnknownModelError("there is no model 'x'"), "detcli detect", "detcli models list"),
        (
            UnknownModelError("there is no model", model="a/yolov8n.pt"),
            "detcli eval",
            "detcli runs D-FINE, RT-DETR, DETR and",
        ),
        (SourceError("unsupported", "an image, not a video"), "detcli video", None),
        (UnknownClassError("the model has no class 'x'"), "detcli video", "detcli models info NAME"),
        (UnknownModelError("no such file: 'x.pth'"), "detcli models convert", None),
        (
            NotCachedError("'x' is not downloaded"),
            "detcli eval",
            "run 'detcli download NAME' on a machine with a network",
        ),
        (NotCachedError("'x' is not downloaded", model="dfine-s"), "detcli detect", "detcli download dfine-s"),
        (NotCachedError("'x' is not downloaded: run 'detcli download x'"), "detcli models path", None),
        (NotCachedError("'x' is not downloaded", model="x"), "detcli models remove", None),
        (InputError("there are no images in 'a'"), "detcli detect", "detcli video"),
        (InputError("there are no videos in 'a'"), "detcli video", "detcli detect"),
        (InputError("there are no images in 'a'"), "detcli train", None),
        (DataError("there are no images in 'a'"), "detcli detect", None),
    ],
)
def test_a_hint_names_the_command_that_helps(error: DetcliError, command: str, hint: str | None) -> None:
    found = hints_for(error, command)
    assert found == () if hint is None else hint in "\n".join(found)


REFUSED = HubError("cannot reach it", reason="refused", repository="ustc-community/dfine-small-coco")


@pytest.mark.parametrize(
    ("command", "ways"),
    [
        ("detcli detect", {"detcli download dfine-s", "HTTPS_PROXY=URL", "HF_ENDPOINT=URL", "-m FOLDER", "-m shapes"}),
        ("detcli segment", {"detcli download dfine-s", "HTTPS_PROXY=URL", "HF_ENDPOINT=URL", "-m FOLDER"}),
        ("detcli download", {"detcli download dfine-s", "HTTPS_PROXY=URL", "HF_ENDPOINT=URL"}),
    ],
)
def test_without_a_hub_the_ways_to_continue_are_listed(
    monkeypatch: pytest.MonkeyPatch, command: str, ways: set[str]
) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    text = "\n".join(hints_for(REFUSED, command))
    assert {way for way in ("detcli download dfine-s", *WAYS) if way in text} == ways


WAYS = ("HTTPS_PROXY=URL", "HF_ENDPOINT=URL", "-m FOLDER", "-m shapes", "SSL_CERT_FILE", "NO_PROXY", "unset")


@pytest.mark.parametrize(("reason", "way"), [("proxy", "NO_PROXY"), ("certificate", "SSL_CERT_FILE"), ("dns", "proxy")])
def test_a_hint_fits_the_reason(monkeypatch: pytest.MonkeyPatch, reason: str, way: str) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert way in "\n".join(hints_for(HubError("x", reason=reason), "detcli detect"))  # type: ignore[arg-type]


def test_a_mirror_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "HF_ENDPOINT is set: unset it" in "\n".join(hints_for(REFUSED, "detcli detect"))


def test_a_hub_that_answers_needs_no_hint() -> None:
    assert hints_for(HubError("the Hub announces two lengths"), "detcli detect") == ()
    assert hints_for(HubError("status 503", reason="response"), "detcli detect") == ()
