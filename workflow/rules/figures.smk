# Figures: one rule draws each. cornerstone/figures says what there are and from what each is drawn.

from cornerstone.study.drawn import caption_of, drawn_by, drawn_from, label_of, settings_of


rule draw:
    input:
        rows=lambda wildcards: drawn_from(study, wildcards.figure),
        code=lambda wildcards: code_of("draw", drawn_by(study, wildcards.figure)),
    output:
        pdf="<results>/figures/{figure}.pdf",
        png="<results>/figures/{figure}.png",
        svg=report(
            "<results>/figures/{figure}.svg",
            category=lambda wildcards: study.figures[wildcards.figure][0].category,
            labels=lambda wildcards: {"model": label_of(study, wildcards.figure)},
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
        settings=lambda wildcards: settings_of(study, wildcards.figure),
        caption=lambda wildcards: caption_of(study, wildcards.figure),
    message:
        "Draw {wildcards.figure}"
    script:
        "../scripts/draw.py"
