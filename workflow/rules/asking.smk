# Questions about the study, answered on the terminal each time they are asked.


# What it will need: disk, memory, operations, hours. Asked of the hub; nothing large is fetched.
rule estimate:
    log:
        "<logs>/estimate.log",
    localrule: True
    conda:
        "../../envs/documents.yaml"
    params:
        question="estimate",
        study=study,
        extensions=list(study.extensions),
    message:
        "Ask the hub what the study will need"
    script:
        "../scripts/ask.py"


# How far it is, by the files on the disk, while its jobs run too.
rule overview:
    log:
        "<logs>/overview.log",
    localrule: True
    conda:
        "../../envs/documents.yaml"
    params:
        question="overview",
        study=study,
        extensions=list(study.extensions),
    message:
        "Look how far the study is"
    script:
        "../scripts/ask.py"


# The same, drawn anew every few seconds, with each job's state, rate and time left.
rule watch:
    log:
        "<logs>/watch.log",
    localrule: True
    conda:
        "../../envs/documents.yaml"
    params:
        question="watch",
        study=study,
        extensions=list(study.extensions),
    message:
        "Watch the study"
    script:
        "../scripts/ask.py"


# How wide its intervals are so far, and how many documents narrower ones would take.
rule precision:
    log:
        "<logs>/precision.log",
    localrule: True
    conda:
        "../../envs/documents.yaml"
    params:
        question="precision",
        study=study,
        extensions=list(study.extensions),
    message:
        "Look how precise the study is"
    script:
        "../scripts/ask.py"
