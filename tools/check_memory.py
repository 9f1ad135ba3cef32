"""How much memory training takes on a folder of pictures that is larger than the memory for images, and how fast it is.

    python tools/check_memory.py [--gigabytes 8] [--side 224] [--limit 2G] [--memory 1G] [--folder DIR]

Makes a folder of JPEG pictures that decode to so many GB, trains one epoch on it under GPUCNN_MEMORY, and prints the
peak of resident memory and images per second; with --compare also those of the same pictures held in memory. Exits with
1 where the peak is above the limit. The decoded pictures are kept on the disk while it runs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

CONFIG = """\
name: memory
device: cpu
data: {{name: folder, path: {path}, validation: 0.05, cache: {cache}}}
model:
  - conv2d: {{out_channels: 8, kernel_size: 5, stride: 4}}
  - relu
  - max_pool2d: {{kernel_size: 4}}
  - flatten
  - linear: {{out_features: classes}}
optimizer: {{name: sgd, lr: 0.001}}
train: {{epochs: 1, batch_size: 32}}
report: false
"""
CLASSES = 10
# Runs a command and prints the peak of resident memory of it, in bytes: its own process and the one that it becomes.
PEAK = "import resource, sys; from gpucnn.cli import main; code = main(sys.argv[1:]); " + (
    "print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024); sys.exit(code)"
)


def make_pictures(folder: Path, count: int, side: int) -> None:
    """`count` pictures of side × side in ten classes: a colour with a little noise, which JPEG packs well."""
    rng = np.random.default_rng(0)
    noise = rng.integers(-8, 8, (16, side, side, 3), dtype=np.int16)
    colours = rng.integers(20, 230, (CLASSES, 3), dtype=np.int16)
    for label in range(CLASSES):
        (folder / f"class{label}").mkdir(parents=True, exist_ok=True)

    def make(number: int) -> None:
        label = number % CLASSES
        pixels = (colours[label] + np.roll(noise[number % 16], number, axis=0)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"class{label}" / f"{number:07d}.jpg", quality=80)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(make, range(count)):
            pass


def train(pictures: Path, scratch: Path, memory: str, name: str, cache: bool = True) -> tuple[int, float]:
    """Train an epoch on the pictures; returns the peak of resident memory in bytes, and images per second."""
    config, run = scratch / f"{name}.yaml", scratch / name
    config.write_text(CONFIG.format(path=pictures, cache=str(cache).lower()))
    environment = {**os.environ, "GPUCNN_MEMORY": memory, "GPUCNN_CACHE_DIR": str(scratch / "decoded")}
    command = [sys.executable, "-c", PEAK, "train", str(config), "--quiet", "--run-dir", str(run)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    peak = next(int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("peak "))
    epoch = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    return peak, epoch["images_per_second"]


def in_bytes(text: str) -> int:
    """A size such as 2G."""
    return int(float(text[:-1]) * 2 ** {"K": 10, "M": 20, "G": 30}[text[-1].upper()])


def main(options: argparse.Namespace, scratch: Path) -> int:
    """Make the pictures, train, and print the figures."""
    count = int(options.gigabytes * 1e9 / (3 * options.side**2))
    pictures = options.folder or scratch / "pictures"
    if not pictures.exists():
        make_pictures(pictures, count, options.side)
    print(f"{count:,} pictures of {options.side} x {options.side} decode to {options.gigabytes} GB", flush=True)
    peak, speed = train(pictures, scratch, options.memory, "decoding")
    print(f"decoded to a file, then read from it: peak {peak / 2**30:.2f} GiB, {speed:,.0f} images/s", flush=True)
    again, speed = train(pictures, scratch, options.memory, "kept")
    print(f"read from the file of an earlier run: peak {again / 2**30:.2f} GiB, {speed:,.0f} images/s", flush=True)
    if options.compare:
        whole, fast = train(pictures, scratch, "1T", "in_memory")
        print(f"held in memory: peak {whole / 2**30:.2f} GiB, {fast:,.0f} images/s; {speed / fast:.2f} of its speed")
    return int(max(peak, again) > in_bytes(options.limit))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=8)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--limit", default="2G", help="the most that the peak may be")
    parser.add_argument("--memory", default="1G", help="GPUCNN_MEMORY")
    parser.add_argument("--folder", type=Path, help="pictures that an earlier call made, or where to make them")
    parser.add_argument("--compare", action="store_true", help="train on the same pictures in memory too")
    with tempfile.TemporaryDirectory() as scratch:
        sys.exit(main(parser.parse_args(), Path(scratch)))
