"""Make the demo anew: its document sets, tokenizers and models, in resources/demo/."""

import os
from pathlib import Path

from cornerstone.system.logged import run_logged

terminal = os.fdopen(os.dup(2), "w", buffering=1)  # before stderr goes to the log


def main(snakemake):
    import torch

    from cornerstone.demo.training import make_demo
    from cornerstone.demo.world import build_world
    from cornerstone.demo.writer import make_writer

    def report(line):
        print(line)
        print(line, file=terminal)

    torch.set_num_threads(snakemake.threads)
    world, folder = build_world(snakemake.params.seed), Path(snakemake.params.folder)
    make_demo(world, folder, report)
    make_writer(world, folder, report)


run_logged(main, snakemake)
