"""What is remembered of files: only those that are there, and those that an earlier run has processed."""

import numpy as np

from detcli.sources.watching.done_before import DoneBefore
from detcli.sources.watching.file_states import FileState, FileStates


def test_states_are_of_the_files_that_are_there() -> None:
    states, state = FileStates(), FileState(10, 1)
    for number in range(1000):
        states.take(f"{number}.jpg", state)
        if number >= 10:
            states.forget(f"{number - 10}.jpg")
    assert len(states) == 10
    assert states.has("999.jpg", state)
    assert not states.has("999.jpg", FileState(10, 2))
    assert not states.has("1.jpg", state)
    states.keep_only({hash("995.jpg"), hash("999.jpg"), hash("other.jpg")})
    assert len(states) == 2


def test_done_files_are_found_by_name_and_time() -> None:
    done = DoneBefore(100)
    assert not done.has("a.jpg", FileState(1, 0))
    done = DoneBefore(100)
    names = [f"{number}.jpg" for number in np.random.default_rng(0).permutation(5000)]
    for name in [*names[:2500], names[0]]:
        done.add(name)
    assert done.count == 2501
    assert all(done.has(name, FileState(1, 100)) for name in names[:2500])
    assert not any(done.has(name, FileState(1, 100)) for name in names[2500:])
    assert not done.has(names[0], FileState(1, 101))
    done.release()
    assert done.count == 2501
