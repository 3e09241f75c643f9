"""Make the demo anew: its document sets, its tokenizer and its two models, in resources/demo/."""

import os
from pathlib import Path

from cornerstone.system.logged import run_logged

terminal = os.fdopen(os.dup(2), "w", buffering=1)  # before stderr goes to the log


def main(snakemake):
    import torch

    from cornerstone.demo.training import make_demo
    from cornerstone.demo.world import build_world

    def report(line):
        print(line)
        print(line, file=terminal)

    torch.set_num_threads(snakemake.threads)
    make_demo(build_world(snakemake.params.seed), Path(snakemake.params.folder), report)


run_logged(main, snakemake)
