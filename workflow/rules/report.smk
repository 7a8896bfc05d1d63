# Published beside reproduced, table by table, the report that shows them, and what one may ask for by name.


rule aggregate:
    input:
        spec=f"{FOLDER}/aggregate/{{key}}/spec.json",
        manifests=manifests("aggregate"),
        sources=sources("aggregate"),
    output:
        manifest=f"{FOLDER}/aggregate/{{key}}/manifest.json",
    log:
        f"{FOLDER}/logs/aggregate-{{key}}.log",
    wildcard_constraints:
        key=keys("aggregate"),
    priority: priority_of("aggregate")
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory("aggregate"),
    shell:
        "sh workflow/reeltrace run aggregate {wildcards.key:q} > {log:q} 2>&1"


rule reading:
    input:
        spec=f"{FOLDER}/reading/{{key}}/spec.json",
        manifests=manifests("reading"),
        sources=sources("reading"),
    output:
        manifest=f"{FOLDER}/reading/{{key}}/manifest.json",
    log:
        f"{FOLDER}/logs/reading-{{key}}.log",
    wildcard_constraints:
        key=keys("reading"),
    priority: priority_of("reading")
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory("reading"),
    shell:
        "sh workflow/reeltrace run reading {wildcards.key:q} > {log:q} 2>&1"


rule report:
    input:
        spec=f"{FOLDER}/report/{{key}}/spec.json",
        manifests=manifests("report"),
        sources=sources("report"),
    output:
        manifest=f"{FOLDER}/report/{{key}}/manifest.json",
    log:
        f"{FOLDER}/logs/report-{{key}}.log",
    wildcard_constraints:
        key=keys("report"),
    priority: priority_of("report")
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory("report"),
    shell:
        "sh workflow/reeltrace run report {wildcards.key:q} > {log:q} 2>&1"


# `snakemake basu2021` makes the tables of a document, `snakemake basu2021-table3` one table, with all that they rest on;
# `snakemake readings` makes what is found where a document is read otherwise.
for each, tasks in TARGETS.items():

    rule:
        name:
            each
        input:
            [task.manifest for task in tasks],
