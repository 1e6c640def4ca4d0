# SPDX-License-Identifier: MIT
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vibe_blender.contract.file_lock import FileLock, is_held

REPOSITORY = Path(__file__).resolve().parents[3]
HOLD = """
import sys, time
from pathlib import Path
from vibe_blender.contract.file_lock import FileLock
lock = FileLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "走 é 🎬.lock"


def test_one_at_a_time_holds_it(path) -> None:
    with FileLock(path):
        assert is_held(path)
        with pytest.raises(BlockingIOError):
            FileLock(path, 0.0)
        assert is_held(path)
    assert not is_held(path)
    assert not path.exists()
    lock = FileLock(path, 0.0)
    lock.release()
    lock.release()
    assert not path.exists()


def test_it_ends_with_the_process_that_holds_it(path) -> None:
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as holder:
        assert next(holder.stdout) == "held\n"
        assert is_held(path)
        with pytest.raises(BlockingIOError):
            FileLock(path, 0.0)
        holder.kill()
    assert path.exists()
    assert not is_held(path)
    assert not path.exists()


def test_never_do_two_hold_it_while_files_come_and_go(path) -> None:
    inside, most, rounds = 0, 0, []

    def work() -> None:
        nonlocal inside, most
        for _ in range(60):
            with FileLock(path, 60.0):
                inside += 1
                most = max(most, inside)
                rounds.append(is_held(path))
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert rounds == [True] * 240


def test_a_folder_that_is_not_there_is_told(tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        FileLock(tmp_path / "nowhere" / "a.lock")
    assert not is_held(tmp_path / "nowhere" / "a.lock")
