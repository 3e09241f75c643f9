# Shapley interaction indices of every two sublayers, from per-document coalitions.
rule interaction_indices:
    input:
        evaluations=[
            f"<results>/evaluations/{model}/{task}/{design}.parquet"
            for model in study.model_names
            for task in study.task_names
            for design in ("ablation", *study.own_designs)
        ],
        documents=expand("<results>/documents/{task}.parquet", task=study.task_names),
        code=lambda _: code_of("interaction_indices", [*TABLES.files, *SCORES.files]),
    output:
        csv=table_files(Part.OWN, "csv"),
        md=report(
            table_files(Part.OWN, "md"),
            category="Tables",
            caption="../report/tables.rst",
        ),
    log:
        "<logs>/interaction_indices.log",
    benchmark:
        "<benchmarks>/interaction_indices.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=MEMORY_OF_SCORES,
        runtime=60,
    params:
        score=study.score,
        titles=TITLES,
    message:
        "Work out the interaction indices of every two sublayers"
    script:
        "../scripts/interaction_indices.py"
