"""What a Hub may refuse or pretend, what the user may mistype, and what is said of it; no token ever leaves its host."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from detcli.checkpoints.hub.locate_model import download, locate
from detcli.errors import (
    AccessError,
    DamagedModelError,
    DetcliError,
    HubError,
    NotCachedError,
    UnknownModelError,
    UnsupportedModelError,
    UsageError,
)
from tests.helpers.hub_server import COMMIT, LATER_COMMIT, Fault, HubServer

REPOSITORY = "owner/tiny"
TOKEN = "hf_a-secret-token"


def everything_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_missing_repository_is_named_with_a_suggestion(hub: HubServer) -> None:
    with pytest.raises(
        AccessError, match=r"has no repository 'ustc-community/dfine-smal-coco', or it is private"
    ) as caught:
        locate("ustc-community/dfine-smal-coco")
    assert caught.value.exit_code == 7
    assert "did you mean 'dfine-s'" in str(caught.value)


def test_a_missing_revision_is_named(hub: HubServer, model_files: dict[str, bytes]) -> None:
    hub.add(REPOSITORY, model_files)
    with pytest.raises(AccessError, match=r"'owner/tiny' has no revision 'v9'"):
        locate(REPOSITORY, revision="v9")


@pytest.mark.parametrize("token", [None, "hf_wrong"])
def test_a_gated_repository_explains_its_terms_and_the_token(
    hub: HubServer, model_files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    hub.add(REPOSITORY, model_files, gated=True, token=TOKEN)
    with pytest.raises(AccessError) as caught:
        locate(REPOSITORY)
    message = str(caught.value)
    assert f"accept its terms on {hub.url}/owner/tiny" in message
    assert "HF_TOKEN" in message
    assert "hf_wrong" not in message


def test_a_token_opens_a_gated_repository_and_never_reaches_another_host(
    hub: HubServer, model_files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.add(REPOSITORY, model_files, gated=True, token=TOKEN)
    locate(REPOSITORY)
    sent = {seen.server: seen.headers.get("authorization") for seen in hub.requests}
    assert sent == {"hub": f"Bearer {TOKEN}", "store": None}


def test_a_head_request_is_not_redirected_to_another_host(
    hub: HubServer, model_files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.add(REPOSITORY, model_files)
    hub.fail("config.json", Fault(status=302, headers={"Location": f"{hub.store_url}/config.json"}, method="HEAD"))
    with pytest.raises(HubError, match=r"does not report the commit"):
        locate(REPOSITORY)
    assert [seen.server for seen in hub.requests] == ["hub"]


def test_a_renamed_repository_is_followed_on_the_same_host(hub: HubServer, model_files: dict[str, bytes]) -> None:
    hub.add(REPOSITORY, model_files)
    hub.add("owner/old", model_files)
    to = f"/{REPOSITORY}/resolve/main/config.json"
    hub.fail("config.json", Fault(status=307, headers={"Location": to}, method="HEAD"))
    assert locate("owner/old").commit == COMMIT


@pytest.mark.parametrize("token", ["a\tb", "snow☃", "two words"])
def test_an_invalid_token_is_refused_without_being_shown(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(UsageError, match=r"has invalid characters") as caught:
        locate(REPOSITORY)
    assert token not in str(caught.value)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Repo-Commit": "../../../../outside"},
        {"X-Repo-Commit": ""},
        {"X-Repo-Commit": COMMIT[:39]},
        {"X-Repo-Commit": COMMIT.upper()},
        {"ETag": '"../../../../outside"'},
        {"ETag": ""},
        {"ETag": '"abc"'},
        {"X-Linked-Etag": "/etc/passwd"},
    ],
)
def test_an_invalid_commit_or_checksum_is_refused_before_writing(
    hub: HubServer, tmp_path: Path, model_files: dict[str, bytes], headers: dict[str, str]
) -> None:
    hub.add(REPOSITORY, model_files)
    hub.fail("config.json", Fault(headers=headers, method="HEAD"))
    before = everything_below(tmp_path)
    with pytest.raises(HubError, match=r"does not report the commit|reports no checksum") as caught:
        locate(REPOSITORY)
    assert caught.value.exit_code == 6
    written = everything_below(tmp_path) - before
    assert all(".locks" in name or name in ("home", "home/hub") for name in written), written


def test_a_mirror_with_another_commit_than_requested_is_refused(hub: HubServer, model_files: dict[str, bytes]) -> None:
    hub.add(REPOSITORY, model_files)
    hub.fail("config.json", Fault(headers={"X-Repo-Commit": LATER_COMMIT}, method="HEAD"))
    with pytest.raises(HubError, match=r"does not report the commit"):
        locate(REPOSITORY, revision=COMMIT)


def test_sizes_that_contradict_each_other_are_refused(hub: HubServer, model_files: dict[str, bytes]) -> None:
    hub.add(REPOSITORY, model_files)
    hub.fail("model.safetensors", Fault(headers={"X-Linked-Size": "12"}, method="HEAD"))
    with pytest.raises(HubError, match=r"announces 'model.safetensors' with 12 bytes and then with 1,0"):
        locate(REPOSITORY)


def test_a_part_from_another_position_of_the_file_is_refused(hub: HubServer, model_files: dict[str, bytes]) -> None:
    hub.add(REPOSITORY, model_files)
    hub.fail("model.safetensors", Fault(cut_after=400_000), Fault(headers={"Content-Range": "bytes 0-9/10"}))
    with pytest.raises(HubError, match=r"sends another part of 'model.safetensors' than was requested"):
        locate(REPOSITORY)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_with_a_huge_announced_size_is_not_downloaded(
    hub: HubServer, model_files: dict[str, bytes], name: str
) -> None:
    hub.add(REPOSITORY, model_files)
    huge = {"X-Linked-Size": str(10**14)}
    hub.fail(name, Fault(headers=huge, method="HEAD"))
    with pytest.raises(DetcliError, match=r"100,000,000,000,000") as caught:
        locate(REPOSITORY)
    assert caught.value.exit_code in (5, 8)
    assert not hub.seen("GET", name)


def test_a_repository_without_safetensors_is_refused(hub: HubServer, model_files: dict[str, bytes]) -> None:
    files = {name: data for name, data in model_files.items() if name != "model.safetensors"}
    hub.add(REPOSITORY, {**files, "tf_model.h5": b"\x89HDF"})
    with pytest.raises(
        UnsupportedModelError,
        match=r"'owner/tiny' has neither model.safetensors nor pytorch_model.bin; detcli reads no other",
    ) as caught:
        locate(REPOSITORY)
    assert caught.value.exit_code == 5
    assert not hub.seen("GET")


@pytest.mark.parametrize("shard", ["../../evil.safetensors", "/evil.safetensors", "a/b.safetensors", "evil.bin", ""])
def test_an_index_that_leaves_its_folder_is_refused(hub: HubServer, model_files: dict[str, bytes], shard: str) -> None:
    files = {name: data for name, data in model_files.items() if name != "model.safetensors"}
    hub.add(REPOSITORY, {**files, "model.safetensors.index.json": b'{"weight_map": {"a": "%s"}}' % shard.encode()})
    with pytest.raises(DamagedModelError, match=r"which is not a safetensors file next to it"):
        locate(REPOSITORY)
    assert not [seen for seen in hub.requests if "evil" in seen.path]


def test_a_plain_mirror_without_error_codes_is_understood(hub: HubServer, model_files: dict[str, bytes]) -> None:
    hub.error_codes = False
    hub.add(REPOSITORY, {name: data for name, data in model_files.items() if name != "preprocessor_config.json"})
    assert locate(REPOSITORY).commit == COMMIT
    with pytest.raises(AccessError, match=r"has no repository 'owner/other'"):
        locate("owner/other")


def test_a_login_page_is_not_taken_for_a_hub(hub: HubServer, model_files: dict[str, bytes]) -> None:
    hub.add(REPOSITORY, model_files)
    hub.fail("config.json", Fault(status=200, headers={"Content-Type": "text/html"}, method="HEAD"))
    with pytest.raises(HubError, match=r"it is not a Hub, or a proxy"):
        locate(REPOSITORY)


def test_text_from_a_server_never_reaches_the_message(hub: HubServer, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AccessError) as caught:
        locate("owner/none")
    assert "\x1b" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_refused_connection_is_an_error_within_seconds(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: no other process gets the port
        monkeypatch.setenv("HF_ENDPOINT", f"http://user:secret@127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        with pytest.raises(HubError, match=r"cannot reach http://127.0.0.1:\d+: .+; try again later") as caught:
            locate(REPOSITORY)
    assert caught.value.exit_code == 6
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "endpoint", ["huggingface.co", "ftp://example.com", "http://", "http://[bad", "https://h/?q=1"]
)
def test_an_invalid_endpoint_is_a_usage_error(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(UsageError, match=r"HF_ENDPOINT must be a URL"):
        locate(REPOSITORY)


def test_an_invalid_timeout_is_a_usage_error(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "soon")
    with pytest.raises(UsageError, match=r"HF_HUB_DOWNLOAD_TIMEOUT must be a number of seconds, not 'soon'"):
        locate(REPOSITORY)


@pytest.mark.parametrize("switch", ["--offline", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_only_a_downloaded_model_is_used(
    hub: HubServer, model_files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    hub.add(REPOSITORY, model_files)
    if switch != "--offline":
        monkeypatch.setenv(switch, "1")
    offline = switch == "--offline"
    with pytest.raises(
        NotCachedError, match=r"'owner/tiny' is not downloaded, .*download it once with a network"
    ) as caught:
        locate(REPOSITORY, offline=offline)
    assert caught.value.exit_code == 5
    assert hub.requests == []

    monkeypatch.delenv(switch, raising=False)
    files = locate(REPOSITORY)
    asked = len(hub.requests)
    if not offline:
        monkeypatch.setenv(switch, "1")
    assert locate(REPOSITORY, offline=offline) == files
    with pytest.raises(NotCachedError, match=r"at revision 'v2' is not downloaded"):
        locate(REPOSITORY, revision="v2", offline=offline)
    assert len(hub.requests) == asked
    if not offline:
        with pytest.raises(NotCachedError, match=r"HF_HUB_OFFLINE disables"):
            download(REPOSITORY, update=True)


def test_offline_set_at_the_start_of_the_process_is_respected(hub: HubServer, model_files: dict[str, bytes]) -> None:
    """The Hub's own client reads its environment once; ours looks whenever it is asked, and both forbid."""
    hub.add(REPOSITORY, model_files)
    code = (
        "import os; os.environ['HF_HUB_OFFLINE'] = '1'; import huggingface_hub.constants; "
        "del os.environ['HF_HUB_OFFLINE']\n"
        "from detcli.checkpoints.hub.locate_model import locate\nfrom detcli.errors import NotCachedError\n"
        f"try: locate({REPOSITORY!r})\nexcept NotCachedError as error: print(error)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "HF_HUB_OFFLINE was set when this process started" in out
    assert hub.requests == []


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("dfin-s", "there is no model 'dfin-s'; did you mean 'dfine-s'"),
        ("dfine_l_obj2coco", "did you mean 'dfine-l-obj2coco'"),
        ("DFINE-S", "did you mean 'dfine-s'"),
        ("detr-resnet-50-panoptic", "did you mean 'detr-r50-panoptic'"),
        ("banana", "a Hub repository is written owner/name"),
        ("", "the name of the model is empty"),
        ("./none", "there is no model file or folder './none'"),
        ("none.safetensors", "there is no model file or folder 'none.safetensors'"),
        ("owner/../etc", "there is no model 'owner/../etc'"),
        ("owner/a--b", "there is no model 'owner/a--b'"),
        ("a/b/c", "there is no model 'a/b/c'"),
        ("nul\0l", "there is no model"),
        ("x" * 5000, "there is no model"),
    ],
)
def test_an_unknown_name_gets_a_suggestion(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownModelError) as caught:
        locate(model)
    assert sentence in str(caught.value)
    assert caught.value.exit_code == 5
    assert hub.requests == []


@pytest.mark.parametrize(
    "revision",
    ["..", "../x", "a/../b", "/a", "a/", "a//b", ".hidden", "a b", "a\nb", "a~1", "a:b", "x.lock", "a\\b", "r" * 201],
)
def test_an_invalid_revision_is_a_usage_error(hub: HubServer, revision: str) -> None:
    with pytest.raises(UsageError, match=r"is not a valid `revision`"):
        locate(REPOSITORY, revision=revision)
    assert hub.requests == []


@pytest.mark.parametrize("revision", ["v1.0", "refs/pr/1", "feature/x@2", "größer"])
def test_branches_and_tags_of_any_name_are_downloaded(
    hub: HubServer, model_files: dict[str, bytes], revision: str
) -> None:
    hub.add(REPOSITORY, model_files, branch=revision)
    files = locate(REPOSITORY, revision=revision)
    asked = len(hub.requests)
    assert locate(REPOSITORY, revision=revision) == files
    assert len(hub.requests) == asked
