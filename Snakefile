# Reproduces everything that params.yaml declares, and ends in one HTML report.
#   snakemake --cores all                     everything
#   snakemake --cores all basu2021            the tables of one document
#   snakemake --cores all basu2021-table3     one table
#   snakemake --cores all readings            what else the documents may mean, which the report does not wait for
#   snakemake -n                              what would run, and why
# The rules hold no experiment: the registry is read in common.smk, and each job is one `reeltrace run <stage> <key>`.

from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/experiments.smk"
include: "workflow/rules/report.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        [task.manifest for task in REPORTED],


onstart:
    # One line of a job that runs; of one that would run, -n tells all.
    for each in workflow.rules:
        if each.log:
            each.message = "{rule} {wildcards.key} (log: {log})"
    if workflow.local_exec:
        warm.start()  # one process imports torch for all the jobs


onsuccess:
    if not RUN.record():
        raise WorkflowError("an artifact is not what its manifest says (see above)")


onerror:
    RUN.explain_failure()
