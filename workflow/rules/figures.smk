# Figures: one rule draws each. cornerstone/figures says what there are and from what each is drawn.

from cornerstone.figures import Context, Scope


def figure_rows(wildcards):
    """The CSV files that a figure is drawn from: of its model and every task, or of all models."""
    figure, model = study.figures[wildcards.figure]
    path = f"<results>/{figure.reads}"
    return expand(path, model=model or study.model_names, task=study.task_names) if figure.reads else []


def figure_code(wildcards):
    figure, _ = study.figures[wildcards.figure]
    of_estimators = ESTIMATORS.files if figure.scope is Scope.EXACT else []
    return code_of("draw", [FIGURES.file_of(figure.name), *SCORES.files, *of_estimators])


def figure_settings(wildcards):
    """What the figure takes of the configuration, and no more: another setting does not draw it again."""
    figure, _ = study.figures[wildcards.figure]
    return {name: getattr(study, name) for name in figure.settings}


def figure_caption(wildcards):
    figure, model = study.figures[wildcards.figure]
    context = Context(
        model=TITLES["models"].get(model, ""),
        score=SCORES[study.score],
        estimator=study.estimator,
        max_removed=study.max_removed,
    )
    return figure.caption(context)


def figure_category(wildcards):
    figure, _ = study.figures[wildcards.figure]
    return figure.category


def figure_labels(wildcards):
    """The model; of a figure of the whole study what its name ends in."""
    kind, _, model = wildcards.figure.partition("_")
    return {"model": model or kind}


rule draw:
    input:
        rows=figure_rows,
        code=figure_code,
    output:
        pdf="<results>/figures/{figure}.pdf",
        png="<results>/figures/{figure}.png",
        svg=report(
            "<results>/figures/{figure}.svg",
            category=figure_category,
            labels=figure_labels,
            caption="../report/figure.rst",
        ),
    log:
        "<logs>/draw/{figure}.log",
    benchmark:
        "<benchmarks>/draw/{figure}.tsv"
    wildcard_constraints:
        figure=names(study.figures),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        name=lambda wildcards: study.figures[wildcards.figure][0].name,
        titles=TITLES,
        settings=figure_settings,
        caption=figure_caption,
    message:
        "Draw {wildcards.figure}"
    script:
        "../scripts/draw.py"
