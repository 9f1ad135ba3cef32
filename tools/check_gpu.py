"""What gpucnn does on this machine's GPU, part after part, and a table of marks; started by tools/check_gpu.sh.

    python tools/check_gpu.py OUT               at most 8 minutes, at most eight files in OUT
    python tools/check_gpu.py OUT --rehearse    the same on the emulated GPU, on small batches: it tests this program

After every part OUT/check.md is written anew, so that a run which is cut off leaves what it has. Exit code 1 where a
part failed.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from check import parts, rehearsal
from check.record import Record

SECONDS, REHEARSAL_SECONDS = 460.0, 1800.0  # for all of it


def main(arguments: list[str] | None = None) -> int:
    """Go through all parts; 1 where one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the folder for what was found")
    parser.add_argument("--rehearse", action="store_true", help="on the emulated GPU")
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    os.environ["GPUCNN_DEVICE"] = "cuda"
    scale = rehearsal.SMALL if given.rehearse else parts.WHOLE
    with tempfile.TemporaryDirectory() as caches:
        if given.rehearse:
            rehearsal.prepare(Path(caches))
        os.environ["CUPY_CACHE_DIR"] = str(Path(caches) / "cupy_cache_dir")  # as the benchmark's processes name it
        record = Record(given.out, Path(caches), scale, REHEARSAL_SECONDS if given.rehearse else SECONDS)
        for part in parts.PARTS:
            record.run(part)
    print(record.page())
    return record.failed


if __name__ == "__main__":
    sys.exit(main())
