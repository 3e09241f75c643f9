# A question like those in asking.smk: what is on the disk that no study uses any more, and what would remove it.
rule stale:
    log:
        "<logs>/stale.log",
    localrule: True
    conda:
        "../../envs/documents.yaml"
    params:
        question="stale",
        study=study,
        files=list(map(str, workflow.configfiles)),
        extensions=list(study.extensions),
    message:
        "Look what no study uses any more"
    script:
        "../scripts/ask.py"
