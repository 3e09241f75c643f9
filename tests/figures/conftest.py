"""Figures as the tests look at them."""

import pytest
from matplotlib.text import Text

from cornerstone.drawing import style


@pytest.fixture
def drawn(monkeypatch):
    """A function: the texts that a figure really draws, each with its box in pixels, and the figure's box."""

    def boxes(make):
        texts = []
        draw = Text.draw

        def record(text, renderer, *args, **kwargs):
            if text.get_visible() and text.get_text().strip():
                texts.append(text)
            draw(text, renderer, *args, **kwargs)

        with style.house_style(), monkeypatch.context() as patch:
            patch.setattr(Text, "draw", record)
            figure = make()
            figure.canvas.draw()
        return figure, {text: text.get_window_extent() for text in texts}

    return boxes
