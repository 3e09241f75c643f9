# Figures: one rule a kind; each job writes the same drawing as .pdf, .png and .svg.


rule pie_model:
    input:
        values=of_tasks("<results>/values/{model}/{task}.csv"),
        code=FIGURE_CODE,
    output:
        pdf="<results>/figures/pie_{model}.pdf",
        png="<results>/figures/pie_{model}.png",
        svg=report(
            "<results>/figures/pie_{model}.svg",
            category="Shares",
            labels={"model": "{model}"},
            caption="../report/pie_model.rst",
        ),
    log:
        "<logs>/pie_model/{model}.log",
    benchmark:
        "<benchmarks>/pie_model/{model}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        titles=TITLES,
        top_k=study.top_k,
    message:
        "Draw the shares of {wildcards.model}"
    script:
        "../scripts/pie_model.py"


rule pie_all:
    input:
        values=of_all("<results>/values/{model}/{task}.csv"),
        code=FIGURE_CODE,
    output:
        pdf="<results>/figures/pie_all.pdf",
        png="<results>/figures/pie_all.png",
        svg=report(
            "<results>/figures/pie_all.svg",
            category="Shares",
            labels={"model": "all"},
            caption="../report/pie_all.rst",
        ),
    log:
        "<logs>/pie_all.log",
    benchmark:
        "<benchmarks>/pie_all.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        titles=TITLES,
        top_k=study.top_k,
    message:
        "Draw the shares of all models"
    script:
        "../scripts/pie_all.py"


rule ablation:
    input:
        ablation=of_tasks("<results>/ablation/{model}/{task}.csv"),
        code=FIGURE_CODE,
    output:
        pdf="<results>/figures/ablation_{model}.pdf",
        png="<results>/figures/ablation_{model}.png",
        svg=report(
            "<results>/figures/ablation_{model}.svg",
            category="Ablation",
            labels={"model": "{model}"},
            caption="../report/ablation.rst",
        ),
    log:
        "<logs>/ablation/{model}.log",
    benchmark:
        "<benchmarks>/ablation/{model}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        titles=TITLES,
    message:
        "Draw the ablation of {wildcards.model}"
    script:
        "../scripts/ablation.py"


rule values:
    input:
        values=of_tasks("<results>/values/{model}/{task}.csv"),
        code=FIGURE_CODE,
    output:
        pdf="<results>/figures/values_{model}.pdf",
        png="<results>/figures/values_{model}.png",
        svg=report(
            "<results>/figures/values_{model}.svg",
            category="Values",
            labels={"model": "{model}"},
            caption="../report/values.rst",
        ),
    log:
        "<logs>/values/{model}.log",
    benchmark:
        "<benchmarks>/values/{model}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        titles=TITLES,
    message:
        "Draw the values of {wildcards.model}"
    script:
        "../scripts/values.py"


rule agreement:
    input:
        agreement=of_tasks("<results>/agreement/{model}/{task}.csv"),
        code=FIGURE_CODE,
    output:
        pdf="<results>/figures/agreement_{model}.pdf",
        png="<results>/figures/agreement_{model}.png",
        svg=report(
            "<results>/figures/agreement_{model}.svg",
            category="Scores",
            labels={"model": "{model}"},
            caption="../report/agreement.rst",
        ),
    log:
        "<logs>/agreement/{model}.log",
    benchmark:
        "<benchmarks>/agreement/{model}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        titles=TITLES,
    message:
        "Draw how the scores of {wildcards.model} agree"
    script:
        "../scripts/agreement.py"


rule interactions:
    input:
        interactions=of_tasks("<results>/interactions/{model}/{task}.csv"),
        code=FIGURE_CODE,
    output:
        pdf="<results>/figures/interactions_{model}.pdf",
        png="<results>/figures/interactions_{model}.png",
        svg=report(
            "<results>/figures/interactions_{model}.svg",
            category="Interactions",
            labels={"model": "{model}"},
            caption="../report/interactions.rst",
        ),
    log:
        "<logs>/interactions/{model}.log",
    benchmark:
        "<benchmarks>/interactions/{model}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        titles=TITLES,
    message:
        "Draw the interactions of {wildcards.model}"
    script:
        "../scripts/interactions.py"


rule totals_all:
    input:
        totals="<results>/tables/totals.csv",
        code=FIGURE_CODE,
    output:
        pdf="<results>/figures/totals_all.pdf",
        png="<results>/figures/totals_all.png",
        svg=report(
            "<results>/figures/totals_all.svg",
            category="Values",
            labels={"model": "all"},
            caption="../report/totals_all.rst",
        ),
    log:
        "<logs>/totals_all.log",
    benchmark:
        "<benchmarks>/totals_all.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        titles=TITLES,
        score=study.score,
    message:
        "Draw the totals of all models"
    script:
        "../scripts/totals_all.py"


rule ablation_scheme:
    input:
        code=FIGURE_CODE,
    output:
        pdf="<results>/figures/ablation_scheme.pdf",
        png="<results>/figures/ablation_scheme.png",
        svg=report(
            "<results>/figures/ablation_scheme.svg",
            category="Ablation",
            labels={"model": "scheme"},
            caption="../report/ablation_scheme.rst",
        ),
    log:
        "<logs>/ablation_scheme.log",
    benchmark:
        "<benchmarks>/ablation_scheme.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    message:
        "Draw what removing a sublayer is"
    script:
        "../scripts/ablation_scheme.py"
