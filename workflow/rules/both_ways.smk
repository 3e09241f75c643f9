# The same items asked both ways: what removals cost where answers are given, beside what they cost where the model
# generates them.


rule both_ways:
    input:
        evaluations=[
            f"<results>/evaluations/{model}/{task}/ablation.parquet" for model, task in study.asked_both_ways
        ],
        documents=expand(
            "<results>/documents/{task}.parquet",
            task=dict.fromkeys(task for pair in study.both_ways for task in pair),
        ),
        values=of_all("<results>/values/{model}/{task}.csv"),
        code=lambda _: code_of("both_ways", [*TABLES.files, *CLAIMS.files, *SCORES.files]),
    output:
        csv=table_files(Part.BOTH_WAYS, "csv"),
        md=report(
            table_files(Part.BOTH_WAYS, "md"),
            category="Tables",
            caption="../report/tables.rst",
        ),
    log:
        "<logs>/both_ways.log",
    benchmark:
        "<benchmarks>/both_ways.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=MEMORY_OF_SCORES,
        runtime=30,
    params:
        score=study.score,
        pairs=[list(pair) for pair in study.both_ways],
        rejected=lambda wildcards: rejected_among(
            (model, task, "ablation") for model, task in study.asked_both_ways
        ),
        top_k=study.top_k,
        margin=study.collapse_margin,
        titles=TITLES,
    message:
        "Compare the likelihood of given answers with generation"
    script:
        "../scripts/both_ways.py"
