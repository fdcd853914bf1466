"""Shards: what names one, and how they share out an input."""

import numpy as np
import pytest

from detcli.errors import UsageError
from detcli.shard import Shard


def test_shards_partition_every_input() -> None:
    random = np.random.default_rng(0)
    for count in (1, 2, 3, 7, 16, *random.integers(1, 200, 20).tolist()):
        shards = [Shard(number, count) for number in range(1, count + 1)]
        for total in (0, 1, count - 1, count, count + 1, int(random.integers(0, 500))):
            parts = [[index for index in range(total) if shard.has(index)] for shard in shards]
            assert sorted(index for part in parts for index in part) == list(range(total))
            assert [len(part) for part in parts] == [shard.size(total) for shard in shards]
            assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_shard_is_read_from_text_and_from_two_numbers() -> None:
    for value in ("2/8", " 2 / 8 ", "02/08", (2, 8), [2, 8], (np.int64(2), np.int64(8)), Shard(2, 8)):
        assert Shard.of(value) == Shard(2, 8)
    assert str(Shard.of("02/8")) == "2/8"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0/4", "there is no shard 0/4: shards are numbered from 1/4 to 4/4; add 1 to a number that counts from 0"),
        ("5/4", "there is no shard 5/4: shards are numbered from 1/4 to 4/4$"),
        ("-1/4", "there is no shard -1/4: shards are numbered from 1/4"),
        ("1/0", "there cannot be 0 shards"),
        ("1/-2", "there cannot be -2 shards"),
        ("a/b", "must be such as 2/8, the second of eight, not 'a/b'$"),
        ("1.5/4", "not '1.5/4'"),
        ("2", "not '2'$"),
        ("2/8/9", "not '2/8/9'"),
        ("", "not ''$"),
        ("/16", "not '/16'; an environment variable may be unset"),
        ("3/", "not '3/'; an environment variable may be unset"),
        ((0, 4), "there is no shard 0/4"),
        ("²/4", "not '²/4'"),
    ],
)
def test_what_is_no_shard_is_refused_with_the_reason(value: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Shard.of(value)


@pytest.mark.parametrize("value", [2, 0.5, None, (1, 2, 3), ("1", "2")])
def test_a_shard_of_another_type_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError, match='must be such as "2/8"'):
        Shard.of(value)


def test_names_of_shards_sort_in_their_order() -> None:
    for count in (1, 9, 10, 100, 1000):
        names = [Shard(number, count).name for number in range(1, count + 1)]
        assert names == sorted(names)
        assert len(set(names)) == count
    assert Shard(3, 16).fill("part-{shard}.jsonl") == "part-03.jsonl"
