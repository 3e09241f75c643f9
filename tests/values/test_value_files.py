"""The files of values, effects and joint removals that are worked out from evaluations on disk."""

import pandas as pd
import pytest

import study_on_disk
from cornerstone.documents.document import read_documents
from cornerstone.scores import SCORES
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.estimates import estimate_values
from cornerstone.values.joint import joint_effects


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return folder, study_on_disk.make_numbers(folder)


def test_values_and_effects_files_have_the_documented_columns(study):
    _, paths = study
    values, effects = pd.read_csv(paths["values"][0]), pd.read_csv(paths["ablation"][0])
    wanted = "model task score sublayer label kind value low high share samples"
    assert values.columns.tolist()[: len(wanted.split())] == wanted.split()
    wanted = "model task score sublayer label kind full removed_score effect low high chance documents"
    assert effects.columns.tolist()[: len(wanted.split())] == wanted.split()
    assert set(values["score"]) == {"acc"}
    assert set(pd.read_csv(paths["values"][1])["score"]) == {"acc_norm"}  # piqa has it, boolq has not


def test_every_file_of_numbers_says_its_unit_in_its_last_column(study):
    _, paths = study
    for name in study_on_disk.NUMBERS:
        rows = pd.concat(map(pd.read_csv, paths[name]))
        assert rows.columns[-1] == "unit", name
        assert {SCORES[score].unit.in_files for score in rows["score"]} == set(rows["unit"])
        assert (rows["unit"] == [SCORES[score].unit.in_files for score in rows["score"]]).all(), name
    agreement = pd.read_csv(paths["agreement"][0]).set_index("score")["unit"].to_dict()
    assert agreement == {"acc": "fraction", "logprob": "nats", "margin": "nats", "brier": "score"}


def test_the_same_evaluations_give_the_same_bytes(study, tmp_path):
    folder, paths = study
    files = [folder / "small_boolq_ablation.parquet", folder / "small_boolq_windows.parquet"]
    estimate_values(files, paths["documents"][0], tmp_path / "again.csv", max_removed=2)
    assert (tmp_path / "again.csv").read_bytes() == paths["values"][0].read_bytes()


def test_windows_that_were_not_evaluated_are_asked_for_in_one_line(study, tmp_path):
    folder, paths = study
    files = [folder / "small_boolq_ablation.parquet", folder / "small_boolq_windows.parquet"]
    with pytest.raises(CornerstoneError, match=r"\(0, 1, 2\)") as error:
        estimate_values(files, paths["documents"][0], tmp_path / "more.csv", max_removed=3)
    assert "\n" not in str(error.value)


def test_a_study_of_single_removals_has_no_windows_and_its_values_are_the_effects(study, tmp_path):
    folder, paths = study
    asked = read_documents(paths["documents"][0]).documents
    none = study_on_disk.write_design(tmp_path, "small", "boolq", "windows", asked, [], n_sublayers=6)
    files = [folder / "small_boolq_ablation.parquet", none]
    estimate_values(files, paths["documents"][0], tmp_path / "values.csv", max_removed=1)
    joint_effects(files, paths["documents"][0], tmp_path / "joint.csv", max_removed=1)
    effects = pd.read_csv(folder / "small_boolq_ablation.csv")["effect"]
    assert pd.read_csv(tmp_path / "values.csv")["value"].tolist() == effects.tolist()
    assert pd.read_csv(tmp_path / "joint.csv").empty


def test_evaluations_of_two_models_do_not_mix(study, tmp_path):
    folder, paths = study
    files = [folder / "small_boolq_ablation.parquet", folder / "mix_boolq_windows.parquet"]
    with pytest.raises(CornerstoneError, match="more than one model"):
        estimate_values(files, paths["documents"][0], tmp_path / "mixed.csv", max_removed=2)
