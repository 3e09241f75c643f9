# The report: one HTML file with every figure and table, and where the numbers come from.


rule report:
    input:
        figures=all_figures("svg"),
        tables=rules.tables.output.csv,
        evaluations=rules.tables.input.evaluations,
        documents=expand("<results>/documents/{task}.parquet", task=study.task_names),
        manifests=expand("<results>/models/{model}.json", model=study.model_names),
        code=library("report*.py", "table*.py", "numbers_in_words.py", "units.py"),
    output:
        report="<results>/report.html",
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        config=asdict(study),
        titles=TITLES,
    message:
        "Write the report"
    script:
        "../scripts/report.py"
