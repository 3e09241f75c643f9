# Tables over all models and tasks, as numbers (.csv) and as text (.md).


rule tables:
    input:
        values=of_all("<results>/values/{model}/{task}.csv"),
        ablation=of_all("<results>/ablation/{model}/{task}.csv"),
        code=library("tables.py"),
    output:
        csv=expand("<results>/tables/{table}.csv", table=TABLES),
        md=report(
            expand("<results>/tables/{table}.md", table=TABLES),
            category="Tables",
            caption="../report/tables.rst",
        ),
    log:
        "<logs>/tables.log",
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        top_k=study.top_k,
        titles=TITLES,
    message:
        "Write the tables"
    script:
        "../scripts/tables.py"
