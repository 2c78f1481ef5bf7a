"""Has Linux refuse what Windows refuses: Python imports this at its start where this folder is on PYTHONPATH.

Files that are open or mapped are neither removed nor replaced nor moved; a rename never replaces; folders cannot be
opened; there are no symbolic links; names hold nothing that Windows keeps for itself; processes are spawned. What
Windows lacks altogether, such as ``os.fork``, a type checker sees without running anything.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

PROCESS = Path("/proc/self")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
NOT_A_NAME = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE)
WATCHED = ("open", "os.mkdir", "os.remove", "os.rename", "os.symlink")


def refuse(number: int, path: Path) -> None:
    raise OSError(number, f"{os.strerror(number)}, as on Windows", str(path))


def in_use() -> set[Path]:
    """The files that this process has open or mapped."""
    handles = {handle.readlink() for handle in (PROCESS / "fd").iterdir() if handle.is_symlink()}
    mapped = (PROCESS / "maps").read_text(errors="replace").splitlines()
    return handles | {Path(line[73:]) for line in mapped if line[73:]}  # the column of the path


def check_unused(path: Path) -> None:
    """A file, or a folder with all in it."""
    if any(path == used or path in used.parents for used in in_use()):
        refuse(errno.EACCES, path)


def check_name(path: Path) -> None:
    """Below the working directory; what is above is not the project's choice."""
    here = Path.cwd()
    if path.is_relative_to(here) and any(map(NOT_A_NAME.search, path.relative_to(here).parts)):
        refuse(errno.EINVAL, path)


def check(event: str, arguments: tuple[Any, ...]) -> None:
    """The audit hook, called before the system is; the events are in Python's table of audit events."""
    if event not in WATCHED or isinstance(arguments[0], int):
        return
    if event == "open" and arguments[1] is not None and not arguments[2] & WRITING:
        return
    paths = [Path(os.fsdecode(path)).resolve() for path in arguments[: 2 if event == "os.rename" else 1]]
    if event == "os.symlink":
        refuse(errno.EPERM, paths[0])
    elif event == "open":
        with_flags_alone = arguments[1] is None and not arguments[2] & os.O_TMPFILE
        if with_flags_alone and paths[0].is_dir():
            refuse(errno.EACCES, paths[0])
        elif arguments[2] & WRITING:
            check_name(paths[0])
    elif event == "os.mkdir":
        check_name(paths[0])
    else:
        for path in paths:
            check_unused(path)
        check_name(paths[-1])


def rename(source: Any, target: Any, **options: Any) -> None:
    if os.path.lexists(target):
        refuse(errno.EEXIST, target)
    replace(source, target, **options)


replace, os.rename = os.replace, rename
shutil._use_fd_functions = False  # type: ignore[attr-defined]  # rmtree by names
multiprocessing.set_start_method("spawn")
sys.addaudithook(check)
