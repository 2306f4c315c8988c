"""What a thing was made from and what was made from it, over a small history in the real tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from detent.cli.lineage_words import describe
from detent.errors import DataError
from detent.loop.lineage.ancestry import Ancestry
from detent.loop.lineage.find import Target, find_target, lineage, usual_direction
from detent.loop.lineage.spans import alias_spans, serving_spans
from detent.loop.workspace import Workspace
from detent.records.lineage import DOWN, UP, Lineage
from detent.store.clock import iso
from detent.store.database import Database
from detent.store.migrate import migrate

from .lineage_story import MODEL, ROOMS, Story, name, tell_story


@pytest.fixture
def told(db: Database) -> Database:
    migrate(db, ROOMS)
    tell_story(db)
    return db


def ask(db: Database, text: str, direction: str) -> Lineage:
    return lineage(db, find_target(db, text, model=MODEL), direction, model=MODEL)


def of_kind(graph: Lineage, kind: str) -> list[str]:
    return [node.label for node in graph.nodes.values() if node.kind == kind]


def facts(graph: Lineage, node: str) -> Mapping[str, Any]:
    return graph.nodes[node].facts


def edges(graph: Lineage) -> set[tuple[str, str, str]]:
    def short(node: str) -> str:
        kind, _, rest = node.partition(":")
        return f"{kind}:{rest[:12]}" if kind in ("bundle", "verdict") else node

    return {(short(edge.upstream), short(edge.downstream), edge.role) for edge in graph.edges}


def test_a_version_leads_up_to_verdict_bundle_run_steps_and_snapshots(told: Database) -> None:
    graph = ask(told, "shop@2", UP)
    orders, labels = (
        f"snapshot:{data}@{name(f'{data} {rows}')}" for data, rows in (("orders", 1_700), ("labels", 1_690))
    )
    bundle, verdict = name("bundle of run-0004")[:12], name(f"verdict on {name('bundle of run-0004')}")[:12]
    assert graph.root == "version:shop/2"
    assert edges(graph) == {
        (f"verdict:{verdict}", "version:shop/2", "judged"),
        (f"bundle:{bundle}", "version:shop/2", "bundle"),
        ("run:run-0004", f"bundle:{bundle}", ""),
        ("step:run-0004/train", "run:run-0004", "model"),
        ("step:run-0004/split", "run:run-0004", "train, evaluation"),
        ("step:run-0004/split", "step:run-0004/train", "rows = split.train"),
        ("step:run-0004/clean", "step:run-0004/split", "rows"),
        (labels, "step:run-0004/split", "labels"),
        (orders, "step:run-0004/clean", "orders"),
    }  # the report, which the model is not made of, is not among them
    assert facts(graph, orders) == {
        "digest": name("orders 1700"),
        "rows": 1_700,
        "as_of": "2025-03-10T09:08:21.000000+00:00",
        "source": "data/orders.parquet",
        "created": "2025-03-10T09:08:21.000000+00:00",
    }
    assert facts(graph, f"verdict:{name('verdict on ' + name('bundle of run-0004'))}")["decision"] == "pass"


def test_who_promoted_it_when_and_why_is_told_with_the_version(told: Database) -> None:
    spans = facts(ask(told, "shop@1", UP), "version:shop/1")["aliases"]
    champion = next(span for span in spans if span["alias"] == "champion")
    assert (champion["actor"], champion["reason"][:17]) == ("controller", "the first version")
    assert champion["since"] < champion["until"] == alias_spans(told, MODEL)[-1].since


def test_a_step_tells_its_code_and_in_which_run_it_was_really_made(told: Database) -> None:
    graph = ask(told, "run-0003", UP)
    clean, split = facts(graph, "step:run-0003/clean"), facts(graph, "step:run-0003/split")
    assert (clean["outcomes"], clean["made_in"]) == ({"hit": 1}, "run-0002")
    assert (split["outcomes"], split["made_in"]) == ({"ran": 1}, None)
    assert split["code"] == ["features.py:clean", "pipeline.py:split"]
    assert split["code_digest"] != clean["code_digest"]


def test_the_items_of_a_fan_out_are_one_step_and_can_be_asked_for_one_by_one(told: Database) -> None:
    whole = facts(ask(told, "run-0001/score", UP), "step:run-0001/score")
    assert (whole["outcomes"], len(whole["outputs"])) == ({"ran": 3}, 3)
    one = facts(ask(told, "run-0001/score[1]", UP), "step:run-0001/score[1]")
    assert one["outputs"] == [["result", name("score 1 1")]]
    with pytest.raises(DataError, match=r"no step `score` with an item 3"):
        ask(told, "run-0001/score[3]", UP)


def test_a_snapshot_leads_down_to_every_run_candidate_version_alias_and_endpoint(told: Database) -> None:
    graph = ask(told, f"orders@{name('orders 1000')[:10]}", DOWN)
    assert of_kind(graph, "run") == ["run-0001"]
    assert of_kind(graph, "version") == ["shop/1"]
    assert of_kind(graph, "alias") == ["challenger", "champion"]
    assert of_kind(graph, "endpoint") == ["shop"]
    assert facts(graph, "run:run-0001")["steps"] == ["clean", "split", "train", "score", "report"]
    shared = ask(told, f"labels@{name('labels 1000')[:10]}", DOWN)
    assert of_kind(shared, "run") == ["run-0003", "run-0002", "run-0001"]
    assert "clean" not in facts(shared, "run:run-0001")["steps"]  # it reads no labels


def test_a_refused_candidate_is_shown_with_the_reason(told: Database) -> None:
    graph = ask(told, f"orders@{name('orders 1450')}", DOWN)
    refused = facts(graph, f"bundle:{name('bundle of run-0003')}")
    assert (refused["decision"], refused["reason"]) == ("reject", "roc_auc is 0.61, below 0.65")
    assert of_kind(graph, "version") == []


def test_a_step_s_output_leads_to_every_run_that_took_it_and_what_came_of_it(told: Database) -> None:
    for text in ("run-0002/clean", name("clean 2")[:12]):
        graph = ask(told, text, DOWN)
        assert of_kind(graph, "run") == ["run-0003", "run-0002"]
        assert facts(graph, "run:run-0003")["steps"] == ["split", "train", "score", "report"]
        assert of_kind(graph, "bundle") == [name("bundle of run-0003")[:12]]


def test_what_no_candidate_is_made_of_leads_to_none(told: Database) -> None:
    graph = ask(told, "run-0001/report", DOWN)
    assert of_kind(graph, "run") == ["run-0001"]
    assert of_kind(graph, "bundle") == []


def test_a_dataset_leads_to_its_versions_newest_first(told: Database) -> None:
    graph = ask(told, "orders", DOWN)
    assert [label.partition("@")[2] for label in of_kind(graph, "snapshot")] == [
        name(f"orders {rows}")[:12] for rows in (1_700, 1_450, 1_000)
    ]
    assert of_kind(graph, "version") == ["shop/2", "shop/1"]


def test_a_version_leads_down_to_the_times_at_which_it_served(told: Database) -> None:
    graph = ask(told, "shop@1", DOWN)
    (endpoint,) = (node for node in graph.nodes.values() if node.kind == "endpoint")
    first, second = serving_spans(told)
    assert (endpoint.facts["since"], endpoint.facts["until"], endpoint.facts["most"]) == (
        first.since,
        first.until,
        10_000,
    )
    assert first.until  # version 2 took over
    assert (second.number, second.until) == (2, "")


def test_a_shadow_and_a_break_are_told_apart_from_serving(db: Database) -> None:
    migrate(db, ROOMS)
    story = Story(db)
    for after, shadows in (
        ({"1": 10_000}, (2,)),
        ({"1": 9_000, "2": 1_000}, ()),
        ({"2": 10_000}, ()),
        ({"1": 10_000}, ()),
    ):
        story.route({}, after, "x", shadows)
        story.later(hours=1)
    spans = [(span.number, span.since[11:13], span.until[11:13], span.most) for span in serving_spans(db)]
    assert spans == [(1, "03", "05", 10_000), (2, "03", "06", 10_000), (1, "06", "", 10_000)]


def test_a_candidate_that_no_pipeline_made_has_no_steps_and_says_why_it_is_there(told: Database) -> None:
    up = ask(told, "sabotage-01-leak", UP)
    assert facts(up, up.root)["reason"] == "known-bad candidate `leak`, made from version 2"
    down = ask(told, "sabotage-01-leak", DOWN)
    assert of_kind(down, "bundle") == [name("bundle of sabotage-01-leak")[:12]]


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [
        ("shop", "version", "2"),  # the champion
        ("shop@champion", "version", "2"),
        ("shop@1", "version", "1"),
        ("shop/1", "version", "1"),
        ("version:shop/1", "version", "1"),
        ("run-0002", "run", "run-0002"),
        ("run-0002/clean", "step", "run-0002"),
        ("orders", "dataset", "orders"),
        (name("labels 1000")[:8], "snapshot", "labels"),
        (name("bundle of run-0001")[:8], "version", "1"),
        (name("bundle of run-0003")[:8], "bundle", "run-0003"),
        (name("model 1")[:8], "artifact", ""),
    ],
)
def test_a_thing_is_found_by_whatever_people_call_it(told: Database, text: str, kind: str, found: str) -> None:
    target = find_target(told, text, model=MODEL)
    assert (target.kind, target.name) == (kind, found)


def test_every_node_id_of_a_graph_can_be_asked_about(told: Database) -> None:
    graphs = [ask(told, "shop@1", UP), ask(told, "orders", DOWN)]
    asked = {node.id for graph in graphs for node in graph.nodes.values()}
    for node in asked:
        if node.partition(":")[0] not in ("verdict", "alias", "endpoint"):
            assert ask(told, node, UP).nodes


def test_what_is_not_there_is_refused_with_the_names_that_are(told: Database) -> None:
    with pytest.raises(DataError, match="there is no `ordres`") as caught:
        find_target(told, "ordres", model=MODEL)
    assert "did you mean `orders`?" in caught.value.fix
    with pytest.raises(DataError, match="no version or alias `9`"):
        find_target(told, "shop@9", model=MODEL)
    with pytest.raises(DataError, match="has no step `trian`") as caught:
        ask(told, "run-0001/trian", UP)
    assert "`train`" in caught.value.fix


def test_a_model_without_a_version_is_refused_with_what_to_do(db: Database) -> None:
    migrate(db, ROOMS)
    Story(db).snapshot("orders", rows=5)
    with pytest.raises(DataError, match="`shop` has no version yet"):
        find_target(db, "shop", model=MODEL)
    assert find_target(db, "orders", model="orders").kind == "dataset"


def test_a_digest_that_names_several_things_is_refused_with_their_names(told: Database) -> None:
    story = Story(told)
    first = story.snapshot("orders", rows=5)
    with told.transaction() as tx:
        tx.execute(
            "INSERT INTO snapshots (seq, id, dataset, source, as_of, row_count, columns, parts, created) "
            "SELECT 99, id, 'copies', source, as_of, row_count, columns, parts, created FROM snapshots WHERE id = :id",
            id=first,
        )
    with pytest.raises(DataError, match="names 2 things") as caught:
        find_target(told, first[:10], model=MODEL)
    assert "snapshot copies@" in caught.value.why
    assert find_target(told, f"copies@{first[:10]}", model=MODEL).name == "copies"


def test_people_want_to_know_where_a_model_comes_from_and_where_data_goes() -> None:
    assert usual_direction(Target(kind="version", name="1")) == UP
    assert usual_direction(Target(kind="snapshot", name="orders")) == DOWN


def test_a_chain_of_thousands_of_steps_is_followed(db: Database) -> None:
    migrate(db, ROOMS)
    story = Story(db)
    given = {"orders": story.snapshot("orders", rows=5)}
    story.begin("run-0001", given)
    inputs = [("x", given["orders"], "orders")]
    for number in range(2_000):
        story.step("run-0001", f"s{number}", inputs, {"result": name(f"s{number}")})
        inputs = [("x", name(f"s{number}"), f"s{number}")]
    story.end("run-0001")
    assert len(of_kind(ask(db, "run-0001", UP), "step")) == 2_000
    assert len(facts(ask(db, "run-0001/s0", DOWN), "run:run-0001")["steps"]) == 1_999


def test_a_real_training_is_followed_from_its_champion_to_the_file_and_back(served: Workspace) -> None:
    model = served.project.name
    up = lineage(served.db, find_target(served.db, model, model=model), UP, model=model)
    (snapshot,) = (node for node in up.nodes.values() if node.kind == "snapshot")
    assert snapshot.facts["source"] == served.project.data[0].source
    assert of_kind(up, "run") == ["run-0001"]
    assert len(of_kind(up, "step")) >= 2
    down = lineage(served.db, find_target(served.db, snapshot.id, model=model), DOWN, model=model)
    assert of_kind(down, "version") == [f"{model}/1"]
    assert "champion" in of_kind(down, "alias")
    assert of_kind(down, "endpoint") == [served.project.serving.endpoint]


def test_rows_that_were_cut_again_are_one_version_and_a_run_tells_of_its_own_cut(told: Database) -> None:
    node = f"snapshot:orders@{name('orders 1700')}"
    at_the_run = facts(ask(told, "shop@2", UP), node)["as_of"]
    story = Story(told, datetime(2026, 1, 1, tzinfo=UTC))
    for _ in range(3):  # each import and each run without news cuts the same rows
        story.later(hours=1)
        story.snapshot("orders", rows=1_700)
    assert facts(ask(told, "shop@2", UP), node)["as_of"] == at_the_run
    for direction in (UP, DOWN):
        graph = ask(told, "orders", direction)
        found = [edge for edge in graph.edges if node in (edge.upstream, edge.downstream)]
        assert len([edge for edge in found if "dataset:orders" in (edge.upstream, edge.downstream)]) == 1
        assert facts(graph, node)["as_of"] == iso(story.now)


def test_a_model_from_elsewhere_leads_up_to_where_it_was_taken_from(told: Database) -> None:
    story = Story(told)
    story.tell(
        "model.imported", "run:import-0001", {"model": name("x"), "predictor": "onnx", "judged_on": "run:run-0004"},
        observed={"source": "models:/old/3"},
    )  # fmt: skip
    graph = Ancestry(told, MODEL)
    node = graph.run("import-0001")
    head, _, small = describe(graph.nodes[node]).plain.partition("\n")
    assert head.startswith("import-0001: imported 2025-03-")
    assert head.endswith(" from models:/old/3 (onnx)")
    assert small == "made elsewhere; judged on the rows of run-0004"
