"""Of two processes one ends in the midst of a step: the other says so, and claims no bug."""

import socket
import subprocess
import sys

import pytest

from detcli.errors import DeviceError
from detcli.training.optimization.distributed import Processes
from tests.helpers.processes import environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="torchrun's rendezvous needs POSIX here")

LOSING = """
import os
import sys
import torch
from torch import distributed
from detcli.errors import DeviceError
from detcli.training.optimization.distributed import join_processes

with join_processes(torch.device("cpu")) as processes:
    processes.gather_tensor(torch.ones(3))  # both are here
    if not processes.is_first:
        os._exit(9)
    try:
        with processes.computing():
            if sys.argv[1] == "network":
                distributed.all_reduce(torch.ones(3))
            processes.gather_tensor(torch.ones(3))
    except DeviceError as error:
        print(error)
"""


@pytest.mark.parametrize("over", ["network", "memory"])
def test_who_is_left_says_that_another_process_has_ended(over: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    meeting = environment() | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    others = [
        subprocess.Popen(
            [sys.executable, "-c", LOSING, over], env=meeting | {"RANK": rank}, stdout=subprocess.PIPE, text=True
        )
        for rank in ("0", "1")
    ]
    said = [process.communicate(timeout=120)[0] for process in others]
    assert [process.returncode for process in others] == [0, 9]
    assert said[0].startswith("another process of this run has ended")
    assert "GLHF" not in said[0]


def test_what_one_process_does_wrong_by_itself_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="shapes differ"), Processes(0, 2).computing():
        raise RuntimeError("shapes differ")
    with pytest.raises(DeviceError, match="closed by peer"), Processes(0, 2).computing():
        raise RuntimeError("[pair.cc:1] Connection closed by peer [127.0.0.1]:1. Good luck")
