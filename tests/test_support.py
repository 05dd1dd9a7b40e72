"""Writing files whole or not at all, listing the project's files, importing TensorFlow."""

import platform
import subprocess
import sys

import pytest

from support.files import ROOT, find_files, replacing


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "file"
    with replacing(path) as temporary:
        temporary.write_text("first")
        assert not path.exists()
    assert path.read_text() == "first"


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "file"
    path.write_text("first")

    def fail_halfway():
        with replacing(path) as temporary:
            temporary.write_text("sec")
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        fail_halfway()
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_files_are_found_in_folders_without_what_tools_leave_behind(tmp_path):
    for name in ("a.py", "room/b.py", "room/in/c.txt", "room/__pycache__/b.pyc", "room/.cache/d"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_files("room", "a.py", root=tmp_path, without=["room/b.py"])
    assert found == {name: tmp_path / name for name in ("a.py", "room/in/c.txt")}
    with pytest.raises(FileNotFoundError, match="there is no garden"):
        find_files("garden", root=tmp_path)


def run(program):
    """What a program prints, word by word."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.split()


def test_tensorflow_is_imported_without_keras_which_comes_when_it_is_asked_for():
    program = (
        "import sys\n"
        "from support.imports import importing_tensorflow\n"
        "with importing_tensorflow():\n"
        "    import tensorflow.compat.v1 as tf\n"
        "before = 'keras' in sys.modules\n"
        "print(before, tf.keras.layers.Dense.__name__, 'keras' in sys.modules)"
    )
    assert run(program) == ["False", "Dense", "True"]


def test_a_training_does_not_wait_for_matplotlib():
    program = (
        "import sys\n"
        "from support.imports import importing_tensorflow\n"
        "with importing_tensorflow():\n"
        "    import experiment.run\n"
        "print('matplotlib' in sys.modules)"
    )
    assert run(program) == ["False"]


def test_freed_memory_is_kept():
    program = (
        "import ctypes, psutil\n"
        "from support.memory import keep_freed_memory\n"
        "keep_freed_memory()\n"
        "libc = ctypes.CDLL(None)\n"
        "libc.malloc.restype = libc.memset.restype = ctypes.c_void_p\n"
        "pieces = [libc.malloc(1 << 26) for _ in range(4)]\n"
        "[libc.memset(ctypes.c_void_p(piece), 1, 1 << 26) for piece in pieces]\n"
        "[libc.free(ctypes.c_void_p(piece)) for piece in pieces]\n"
        "print(psutil.Process().memory_info().rss >= 4 << 26)"
    )
    assert run(program) == [str(platform.libc_ver()[0] == "glibc")]
