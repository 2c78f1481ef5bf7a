"""How fast step 1 makes pairs and how much memory it takes, on the shipped notes and on 4 and 16 times as many.

    python benchmarks/pairs_speed.py

Runs generate_phase2_data.py as its user does, into a temporary folder; writes pairs_speed.json. The further notes are
the shipped ones with a line more each, so that every note is another; --rows takes only the first of them, to try it.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured_on import measured_on
from utils.cli import EXIT_OK, PROJECT_ROOT, RunError, from_here_or_project, new_parser, positive_int, run_script
from utils.files import make_output_dir, write_json
from utils.processes import available_processors
from utils.records import PHASE1_COLUMNS, stream_csv

FILES = ("train_set_processed.csv", "validation_set_processed.csv")
_LOOK_EVERY = 0.5  # seconds between two looks at the memory


def main(argv: Sequence[str] | None = None) -> int:
    """Measure each size in turn, write and print; returns the exit code."""
    parser = new_parser(__doc__ or "")
    parser.add_argument("--phase1_dir", default="phase1_data_medhal/sft", help="folder with the Phase 1 CSV files")
    parser.add_argument("--sizes", type=positive_int, nargs="+", default=[1, 4, 16], help="times the corpus")
    parser.add_argument("--rows", type=positive_int, default=None, help="only the first rows of each file")
    parser.add_argument("--num_proc", type=positive_int, default=available_processors(), help="processes")
    parser.add_argument("--output_dir", type=Path, default=Path("benchmarks"), help="gets pairs_speed.json")
    args = parser.parse_args(argv)

    make_output_dir(args.output_dir)
    points = []
    for size in args.sizes:
        with tempfile.TemporaryDirectory(prefix="pairs-speed-") as folder:
            write_corpus(from_here_or_project(args.phase1_dir), Path(folder), size, args.rows)
            points.append({"size": size, **measure(Path(folder), args.num_proc)})
        row = "{size:>3}x  {triplets:>8,} triplets  {seconds:>7.1f} s  {triplets_per_second:>6.1f} a second"
        print(f"{row}  {{peak_mib:>6.0f}} MiB".format(**points[-1]), flush=True)
    record = {
        **measured_on("pairs_speed.py", argv),
        "processes": args.num_proc,
        "memory": "largest sum over the script and its processes, shared pages counted once where the system tells",
        "sizes": points,
    }
    write_json(args.output_dir / "pairs_speed.json", record)
    print(f"✓ {args.output_dir / 'pairs_speed.json'}")
    return EXIT_OK


def write_corpus(source: Path, target: Path, size: int, rows: int | None) -> None:
    """Write both files ``size`` times over, each copy of a note with another line at its end."""
    for name in FILES:
        with (target / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, PHASE1_COLUMNS, extrasaction="ignore")
            writer.writeheader()
            for copy in range(size):
                for row in islice(stream_csv(source / name, PHASE1_COLUMNS), rows):
                    line = f"\nCopy {copy} for the file." if copy else ""
                    writer.writerow(
                        {**row, "id": f"{row['id']}-{copy}", "clinical_note": f"{row['clinical_note']}{line}"}
                    )


def measure(folder: Path, processes: int) -> dict[str, Any]:
    """Triplets, seconds and peak memory of one run. Raises RunError with what the script said if it fails."""
    command = [sys.executable, str(PROJECT_ROOT / "generate_phase2_data.py"), "--phase1_dir", str(folder)]
    command += ["--phase2_dir", str(folder / "out"), "--num_proc", str(processes)]
    begin, peak = time.perf_counter(), 0
    with (folder / "screen.txt").open("w+", encoding="utf-8", newline="") as screen:
        script = subprocess.Popen(command, stdout=screen, stderr=subprocess.STDOUT)
        while True:
            peak = max(peak, memory_of(script.pid))
            try:
                script.wait(_LOOK_EVERY)
                break
            except subprocess.TimeoutExpired:
                continue
        seconds = time.perf_counter() - begin
        screen.seek(0)
        if script.returncode:
            raise RunError(f"generate_phase2_data.py failed:\n{screen.read()}")
    results = json.loads((folder / "out" / "run.json").read_text("utf-8"))["results"]
    triplets = sum(split["pairs"] for split in results.values())
    return {
        "triplets": triplets,
        "notes": sum(split["factual summaries"] for split in results.values()),
        "seconds": round(seconds, 1),
        "triplets_per_second": round(triplets / seconds, 1),
        "peak_mib": round(peak / 2**20, 1),
    }


def memory_of(process_id: int) -> int:
    """Bytes of memory of a process and all that it started; those that end meanwhile count no more."""
    import psutil

    try:
        parent = psutil.Process(process_id)
        family = [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return 0
    total = 0
    for process in family:
        try:
            memory = process.memory_full_info() if os.name == "posix" else process.memory_info()
        except psutil.Error:
            continue
        total += getattr(memory, "pss", memory.rss)
    return total


if __name__ == "__main__":
    run_script(main)
