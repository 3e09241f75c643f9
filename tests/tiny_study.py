"""A study of a random three-block Llama on two tasks, in a clone of the workflow, run by the command `snakemake`.

prepare(folder)                                 # the clone, the model, the documents, study.yaml
configure(folder, max_removed=3)                # study.yaml with another maximum
make(folder, "results/values/tiny/boolq.csv")   # what `snakemake` says
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from forked_snakemake import forked_snakemake

REPOSITORY = Path(__file__).parents[1]
PLANS = {"--dry-run", "-n", "--summary", "overview", "precision", "stale", "watch"}
"""What is asked of a study without running a job."""
CLONED = ("Snakefile", "workflow", "config", "envs", "profiles", "slurm")
N_SUBLAYERS = 6
N_DOCUMENTS = 20
STUDY = {
    "models": {"tiny": {"folder": "models/tiny", "title": "Tiny"}},
    "tasks": {"boolq": {"data": "boolq.jsonl"}, "piqa": {"data": "piqa.jsonl"}},
    "max_removed": 2,
}


def run(
    folder: Path, *arguments: str, succeeds: bool = True, timeout: float = 1200, **environment: str
) -> str:
    """What `snakemake ARGUMENTS` in `folder` says, both streams together; checks how it ends."""
    own_path = "PYTHONPATH" in environment
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    # What runs jobs is a process of its own: its sets have another order than those of whoever looks at its results. So
    # is one that looks for its modules elsewhere.
    if own_path or (PLANS.isdisjoint(arguments) and succeeds):
        command = [sys.executable, "-m", "snakemake", *arguments]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        done = subprocess.run(command, cwd=folder, env=environment, text=True, timeout=timeout, **pipes)
        code, said = done.returncode, done.stdout
    else:
        code, said = forked_snakemake(arguments, folder, environment, timeout)
    assert (code == 0) == succeeds, said
    return said


def make(folder: Path, *targets: str, **keywords) -> str:
    """`snakemake TARGETS` with the study's own configuration."""
    return run(folder, *targets, "--configfile", "study.yaml", **keywords)


def planned(folder: Path, *targets: str) -> dict[str, int]:
    """How often each rule would run, by a dry run."""
    return jobs_in(make(folder, "--dry-run", *targets))


def jobs_in(said: str) -> dict[str, int]:
    """How often each rule would run, by what a dry run said."""
    _, found, table = said.partition("Job stats:")
    counts = re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE) if found else []
    return {rule: int(count) for rule, count in counts}


def configure(folder: Path, **changes) -> None:
    (folder / "study.yaml").write_text(yaml.safe_dump({**STUDY, **changes}))


def clone(folder: Path) -> Path:
    folder.mkdir()
    for name in CLONED:
        source = REPOSITORY / name
        if source.is_dir() and not source.is_symlink():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name, follow_symlinks=False)
    return folder


def make_model(folder: Path) -> None:
    """A random Llama of three blocks, with a tokenizer of single bytes."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    symbols = ["<s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({symbol: n for n, symbol in enumerate(symbols)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="<s>").save_pretrained(
        folder
    )
    config = LlamaConfig(
        vocab_size=len(symbols),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=N_SUBLAYERS // 2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=0,
        eos_token_id=0,
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)


def write_documents(folder: Path) -> None:
    """Twenty documents each in the fields of boolq, piqa and winogrande."""
    names = [f"thing {n}" for n in range(N_DOCUMENTS)]
    rows = {
        "boolq": lambda n, name: {
            "question": f"is {name} even",
            "passage": f"About {name}.",
            "idx": n,
            "label": n % 2,
        },
        "piqa": lambda n, name: {
            "goal": f"Move {name}",
            "sol1": f"Push {name}.",
            "sol2": "Wait.",
            "label": n % 2,
        },
        "winogrande": lambda n, name: {
            "sentence": f"The {name} hit the wall because _ was fast.",
            "option1": name,
            "option2": "the wall",
            "answer": str(1 + n % 2),
        },
    }
    for task, row in rows.items():
        lines = [json.dumps(row(n, name)) for n, name in enumerate(names)]
        (folder / f"{task}.jsonl").write_text("\n".join(lines) + "\n")


def prepare(folder: Path) -> Path:
    """A clone with the tiny study, of which nothing was run."""
    clone(folder)
    make_model(folder / "models" / "tiny")
    write_documents(folder)
    configure(folder)
    return folder
