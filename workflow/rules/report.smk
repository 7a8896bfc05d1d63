# Published beside reproduced, table by table, and the report that shows them.

from reeltrace.plan import AGGREGATE_OUTPUTS, REPORT_OUTPUTS


rule aggregate:
    input:
        spec=f"{FOLDER}/aggregate/{{key}}/spec.json",
        manifests=manifests("aggregate"),
        sources=sources("aggregate"),
    output:
        manifest=f"{FOLDER}/aggregate/{{key}}/manifest.json",
        files=files("aggregate", AGGREGATE_OUTPUTS),
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


rule report:
    input:
        spec=f"{FOLDER}/report/{{key}}/spec.json",
        manifests=manifests("report"),
        sources=sources("report"),
    output:
        manifest=f"{FOLDER}/report/{{key}}/manifest.json",
        files=files("report", REPORT_OUTPUTS),
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
