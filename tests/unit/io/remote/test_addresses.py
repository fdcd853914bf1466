"""Addresses of object stores: their parts, and what is shown of them."""

import pytest

from detcli.errors import UsageError
from detcli.io.remote.addresses import is_remote, store_address, without_credentials

pytestmark = pytest.mark.unit


def test_object_stores_are_told_from_files_and_web_addresses() -> None:
    remote = ("s3://b/k", "S3://b", "gs://b/k", "az://c/k", "abfs://c/k", "hf://datasets/a/b/c.jpg", "memory://b/k")
    assert all(is_remote(name) for name in remote)
    assert not any(is_remote(name) for name in ("s3:/b/k", "a/s3://b", "https://b/k", "ftp://b/k", "cam0", "", "s3"))


@pytest.mark.parametrize(
    ("url", "bucket", "key"),
    [
        ("s3://b", "b", ""),
        ("s3://b/", "b", ""),
        ("s3://b/a//c d+%20#x.jpg", "b", "a//c d+%20#x.jpg"),
        ("s3://b/a:b@c.jpg", "b", "a:b@c.jpg"),
        ("abfs://c@account.dfs.core.windows.net/k", "c@account.dfs.core.windows.net", "k"),
        ("hf://datasets/o/r@main/a.jpg", "datasets", "o/r@main/a.jpg"),
    ],
)
def test_bucket_and_key_are_taken_as_they_are_written(url: str, bucket: str, key: str) -> None:
    address = store_address(url)
    assert (address.bucket, address.key) == (bucket, key)
    assert (address.user, address.password) == (None, None)
    assert str(address).rstrip("/") == url.rstrip("/")


@pytest.mark.parametrize("secret", ["SEC", "a/b+c/d=", "a%2Fb", "a:b"])
def test_credentials_of_an_address_are_kept_and_never_shown(secret: str) -> None:
    address = store_address(f"s3://AKIAX:{secret}@bucket/a/b.jpg")
    assert (address.user, address.password) == ("AKIAX", secret.replace("%2F", "/"))
    for text in (str(address), repr(address), without_credentials(f"s3://AKIAX:{secret}@bucket/a/b.jpg")):
        assert "AKIAX" not in text
        assert secret not in text
    assert str(address) == "s3://bucket/a/b.jpg"


def test_values_of_a_signed_query_are_never_shown() -> None:
    query = "X-Amz-Credential=AKIA%2F1&X-Amz-Signature=c0ffee&X-Amz-Security-Token=t0k&sig=s1g&AWSAccessKeyId=ID"
    for base in ("s3://b/a.jpg", "az://c/a.jpg", "https://h/a.jpg"):
        shown = without_credentials(f"{base}?{query}")
        assert shown.startswith(f"{base}?X-Amz-Credential=...&X-Amz-Signature=...&")
        assert not any(value in shown for value in ("AKIA", "c0ffee", "t0k", "s1g", "=ID"))


@pytest.mark.parametrize("url", ["s3://", "s3:///key", "s3://AKIA:SECRET", "s3://AKIA:SECRET/key"])
def test_addresses_without_a_bucket_are_refused_without_secrets(url: str) -> None:
    with pytest.raises(UsageError, match="write s3://BUCKET/KEY") as raised:
        store_address(url)
    assert "SECRET" not in str(raised.value)
    assert "SECRET" not in without_credentials(url)
