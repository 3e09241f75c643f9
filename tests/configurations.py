"""Configurations for tests: those that come with Cornerstone, small ones, and what is said of wrong ones."""

from pathlib import Path

import pytest
import yaml
from snakemake.cli import get_argument_parser

from cornerstone.study.config import StudyConfig
from cornerstone.study.driver import CommandLine
from cornerstone.study.resolve import resolve
from cornerstone.system.errors import CornerstoneError

CONFIG = Path(__file__).parents[1] / "config"


def shipped(name: str) -> StudyConfig:
    """The study of config/{name}.yaml."""
    return resolve(yaml.safe_load((CONFIG / f"{name}.yaml").read_text()))


def a_study(**keys):
    """A configuration of one model."""
    return {"models": {"mine": {"folder": "models/mine"}}, **keys}


def message_of(call, *arguments) -> str:
    """The one line that a call is refused with."""
    with pytest.raises(CornerstoneError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def typed(*words: str) -> CommandLine:
    """A command line as common.smk has it."""
    options = get_argument_parser().parse_known_args(words)[0]
    return CommandLine.of(options)
