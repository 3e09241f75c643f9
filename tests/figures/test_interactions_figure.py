"""Heat maps of pairs: each interaction in its cell, colours even around zero, dots on what is significant."""

import numpy as np
import pytest

import synthetic
from cornerstone.figures import FIGURES
from cornerstone.figures.interactions import make_interactions
from cornerstone.system.errors import CornerstoneError
from drawings import LONG, PLAIN, assert_tidy


@pytest.mark.parametrize("distance", [1, 3, 11])
@pytest.mark.parametrize(("n_sublayers", "titles"), [(12, PLAIN), (64, LONG), (160, LONG)])
def test_interactions_are_tidy_whichever_pairs_there_are(drawn, n_sublayers, titles, distance):
    distance = n_sublayers - 1 if distance == 11 else distance
    tasks = ["boolq", "piqa", "arc_easy"][: 2 if distance > 100 else 3]
    assert_tidy(
        *drawn(
            lambda: make_interactions(synthetic.interaction_rows("m", n_sublayers, distance, tasks), titles)
        )
    )


def meshes(figure):
    """The cells of each panel, colour bar left out: x and y of their middles, and numbers."""
    for axes in figure.axes:
        if axes.get_label() == "colour bar":
            continue
        for mesh in axes.collections:
            corners = mesh.get_coordinates()
            middles = (corners[:-1, :-1] + corners[1:, 1:]) / 2
            numbers = np.ma.filled(mesh.get_array(), np.nan).reshape(middles.shape[:2])
            yield axes, middles, numbers


@pytest.mark.parametrize(
    ("distance", "place"),
    [
        (1, lambda pair, task: ((pair.first + pair.second) / 2, task)),
        (3, lambda pair, task: ((pair.first + pair.second) / 2, pair.distance)),
        (11, lambda pair, task: (pair.first, pair.second)),
    ],
)
def test_each_interaction_is_in_its_cell_in_points(drawn, distance, place):
    rows = synthetic.interaction_rows("m", 12, distance, ["boolq", "piqa"])
    figure, _ = drawn(lambda: make_interactions(rows, PLAIN))
    panels = [axes for axes in figure.axes if axes.get_label() != "colour bar"]
    cells = {}
    for axes, middles, numbers in meshes(figure):
        for (x, y), number in zip(middles.reshape(-1, 2), numbers.ravel(), strict=True):
            if not np.isnan(number):
                cells[panels.index(axes), round(x, 2), round(y, 2)] = number
    for pair in rows.itertuples():
        task = ["boolq", "piqa"].index(pair.task)
        x, y = place(pair, task)
        assert cells.pop((0 if distance == 1 else task, x, y)) == pytest.approx(100 * pair.interaction)
    mirrored = len(rows) if distance == 11 else 0
    assert len(cells) == mirrored


def test_dots_are_on_the_significant_pairs_and_colours_are_even_around_zero(drawn):
    rows = synthetic.interaction_rows("m", 12, 3, ["boolq"])
    figure, boxes = drawn(lambda: make_interactions(rows, PLAIN))
    axes = figure.axes[0]
    sure = rows[rows["sure"]]
    (dots,) = [line for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(dots.get_xdata(), (sure["first"] + sure["second"]) / 2)
    np.testing.assert_allclose(dots.get_ydata(), sure["distance"])
    norm = axes.collections[0].norm
    assert norm.vmin == -norm.vmax and norm.vmax == pytest.approx(100 * rows["interaction"].abs().max())
    texts = {text.get_text() for text in boxes}
    assert {"interaction (points)", "significant (5 %)", "−1", "0", "1", "10"} <= texts


def test_interactions_in_nats_have_their_own_scale(drawn):
    rows = synthetic.interaction_rows("m", 12, 1, ["boolq"]).assign(score="logprob")
    figure, boxes = drawn(lambda: make_interactions(rows, PLAIN))
    assert "interaction (nats)" in {text.get_text() for text in boxes}
    assert figure.axes[0].collections[0].norm.vmax == pytest.approx(rows["interaction"].abs().max())


def test_a_study_without_pairs_has_no_heat_map_and_says_so(tmp_path):
    with pytest.raises(CornerstoneError, match="give max_removed or pair_distance 2 or more"):
        FIGURES["interactions"].draw(
            synthetic.interaction_rows("m", 12).head(0), tmp_path / "interactions_m.pdf", PLAIN
        )
