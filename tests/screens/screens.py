"""The screens and the studies that the tests look at."""

from cornerstone.system.text import counted

DESKTOP, PHONE = (1280, 900), (390, 844)
SIZES = {
    ", ".join(map(counted, (sublayers, models, tasks), ("sublayer", "model", "task"))): (
        sublayers,
        models,
        tasks,
    )
    for sublayers in (12, 160)
    for models in (1, 5)
    for tasks in (1, 6)
}
WITH_FIGURES = "a study with its figures"
