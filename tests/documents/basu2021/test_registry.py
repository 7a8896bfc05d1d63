"""The schedules and sets of basu2021, as its text has them."""

from conftest import FILES
from reeltrace.kinds.table import measurements_of, shown_below
from reeltrace.registry.reading import registry_of


def test_the_documents_schedules() -> None:
    """Sections 4.4, 4.5 and 4.7."""
    protocols = registry_of(FILES, "paper").params.protocols
    cnn4 = protocols["dir-cnn4"]
    assert (cnn4.epochs, cnn4.learning_rate, cnn4.milestones, cnn4.gamma) == (50, 0.1, (20, 40), 0.1)
    resnet = protocols["dir-resnet18"]
    assert (resnet.epochs, resnet.learning_rate, resnet.milestones, resnet.gamma) == (100, 0.1, (25, 50, 75), 0.1)
    for plain, of_p43d, epochs in (("cnn4", "digit-cnn4-p43d", 100), ("resnet18", "digit-resnet18-p43d", 150)):
        assert protocols[f"digit-{plain}"] == protocols[f"dir-{plain}"]  # "the same setup"
        first, then = protocols[f"dir-{plain}"], protocols[of_p43d]
        assert then.epochs == epochs
        assert then.milestones == tuple(drop * epochs // first.epochs for drop in first.milestones)
    videos = {
        name: registry_of(FILES, "paper").params.datasets[name].videos for name in ("moving-mnist", "moving-mnist-dir")
    }
    assert (videos["moving-mnist"].train, videos["moving-mnist"].validation, videos["moving-mnist"].test) == (
        6000,
        1000,
        3000,
    )
    assert (videos["moving-mnist-dir"].train, videos["moving-mnist-dir"].validation) == (5000, 2000)
    assert videos["moving-mnist-dir"].test == 3000


def test_what_is_measured_below_a_table_is_not_read_otherwise() -> None:
    """Where nets are read otherwise, a table is made of these runs alone: their tasks are all that it waits for."""
    registry = registry_of(FILES, "quick")
    below = [table for table in registry.params.tables.values() if table.document == "basu2021" and shown_below(table)]
    spec = registry.reading_spec("basu2021")
    read = [*spec.chosen, *(table for reading in spec.readings for table in reading.tables)]
    assert {table.key for table in read} & {f"basu2021-table{table.table}" for table in below}
    assert [table.key for table in read if measurements_of(table.table)] == []
