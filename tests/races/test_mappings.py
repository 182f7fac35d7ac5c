"""Versions of a mapping: one is active, and what was reviewed is what runs, whoever hurries."""

from __future__ import annotations

import pytest

LABEL = "Written in a hurry"


@pytest.fixture
def flow(world):
    """The id of a flow whose first version is active."""

    def create(env):
        connection = env["sync.connection"].browse(world.connection_id)
        rules = [{"path": "Name", "field": "name", "required": True, "label": "Name"}]
        spec = world._flow("Contact", "inbound", "res.partner", rules, mode="off")
        number = env["sync.flow"].with_context(active_test=False).search_count([])
        return env["sync.flow.template"]._create_flow(connection, {**spec, "code": f"race_{number}"}).id

    flow = world.do(create)
    yield flow
    world.stage.query("UPDATE sync_flow SET active = FALSE WHERE id = %s", [flow])


def draft(world, flow, state="draft"):
    """Have Mia write a version; return its id."""

    def write(env):
        made = env["sync.flow"].browse(flow).mapping_ids.sorted("version")[0].copy()
        if state == "review":
            made.action_to_review()
        return made.id

    return world.do(write, "mia")


def active(world, flow):
    """Return the ids of the active versions."""
    found = world.stage.query(
        "SELECT id FROM sync_mapping WHERE flow_id = %s AND state = 'active' ORDER BY id", [flow]
    )
    return [row[0] for row in found]


def state(world, mapping):
    """Return the state of a version, and whether a rule of it has the label."""
    [row] = world.stage.query(
        """
        SELECT state, EXISTS (SELECT FROM sync_mapping_rule r WHERE r.mapping_id = m.id AND r.name = %s)
          FROM sync_mapping m WHERE id = %s
        """,
        [LABEL, mapping],
    )
    return row


def activating(mapping, **context):
    """Return what approves a version."""
    return lambda env: env["sync.mapping"].browse(mapping).with_context(**context).action_activate()


def submitting(mapping):
    """Return what asks for a review."""
    return lambda env: env["sync.mapping"].browse(mapping).action_to_review()


def writing(mapping):
    """Return what changes a rule of a version."""
    return lambda env: env["sync.mapping"].browse(mapping).rule_ids[0].write({"name": LABEL})


# === One is active ===#


def activate_at_once(world, flow):
    """Approve two versions at the same time; check that one is active."""
    one, other = draft(world, flow, "review"), draft(world, flow, "review")
    anna, ben = world.request("anna", activating(one)), world.request("ben", activating(other))
    assert world.race(anna, ben)
    assert anna.error is None
    assert len(active(world, flow)) == 1
    return one, other, ben


def test_the_later_of_two_approvals_replaces_the_earlier(world, flow):
    """As if one had come after the other: nobody meets two active versions."""
    one, other, ben = activate_at_once(world, flow)
    assert (ben.error, active(world, flow)) == (None, [other])
    assert state(world, one)[0] == "retired"


def retire_all(world, flow):
    """Leave a flow without an active version."""
    world.do(lambda env: env["sync.flow"].browse(flow).mapping_id._move("retired", {}))


def test_the_first_version_of_a_flow_is_one(world, flow):
    """No version is there to be replaced: the index decides, and the second is told what to do."""
    retire_all(world, flow)
    one, _other, ben = activate_at_once(world, flow)
    assert active(world, flow) == [one]
    assert "Another version of this mapping became active" in ben.said


def test_without_its_index_there_would_be_two(world, flow):
    """The test of the first version can fail."""
    retire_all(world, flow)
    mend = f"UPDATE sync_mapping SET state = 'retired' WHERE flow_id = {flow} AND state = 'active'"
    with world.without_index("sync_mapping_one_active", mend), pytest.raises(AssertionError):
        activate_at_once(world, flow)


def test_an_approval_beside_a_roll_back(world, flow):
    """One is active, in both orders."""
    first = active(world, flow)[0]
    second, third = draft(world, flow, "review"), draft(world, flow, "review")
    world.do(activating(second), "anna")

    def back(env):
        return env["sync.mapping"].browse(first).action_roll_back()

    assert world.race(world.request("max", back), world.request("anna", activating(third)))
    assert active(world, flow) == [third]
    fourth = draft(world, flow, "review")
    assert world.race(world.request("anna", activating(fourth)), world.request("max", back))
    assert active(world, flow) == [first]


# === What was reviewed is what runs ===#


def submit_then_write(world, flow):
    """A rule is written while a review is asked for, which was a moment faster."""
    mapping = draft(world, flow)
    mia, other = world.request("mia", submitting(mapping)), world.request("mia", writing(mapping))
    assert world.race(mia, other), "the writer waits"
    assert state(world, mapping) == ("review", False)
    assert "is being reviewed and stays as it is" in other.said


def test_a_review_that_was_faster_tells_the_writer(world, flow):
    """The version in review is the one that was handed over."""
    submit_then_write(world, flow)


def test_without_its_trigger_the_rule_would_change(world, flow):
    """The writer's snapshot says that it is a draft: only the database knows better."""
    with world.without_trigger("sync_mapping_rule", "sync_mapping_rule_guard"), pytest.raises(AssertionError):
        submit_then_write(world, flow)


def test_a_writer_who_was_faster_is_reviewed(world, flow):
    """Whoever asks for the review waits for the rule, and hands it over with it."""
    mapping = draft(world, flow)
    mia, other = world.request("mia", writing(mapping)), world.request("mia", submitting(mapping))
    assert world.race(mia, other), "the review waits for the rule"
    assert (mia.error, other.error) == (None, None)
    assert state(world, mapping) == ("review", True)


def test_a_writer_who_comes_too_late_is_told(world, flow):
    """He began when it was a draft; meanwhile it was reviewed and approved."""
    mapping = draft(world, flow)
    late = world.request("max", writing(mapping))
    world.do(submitting(mapping), "mia")
    world.do(activating(mapping), "anna")
    world.finish(late.actor)
    assert state(world, mapping) == ("active", False)
    assert "was in use and stays as it is" in late.said


def test_what_was_changed_while_it_was_read_is_not_approved(world, flow):
    """It is taken back, changed and handed over again while somebody presses Approve."""
    mapping = draft(world, flow, "review")
    seen = world.do(lambda env: env["sync.mapping"].browse(mapping)._content_print())
    anna = world.request("anna", activating(mapping, seen_content=seen))
    assert anna.actor.at == "begun"
    world.do(lambda env: env["sync.mapping"].browse(mapping).action_to_draft(), "mia")
    world.do(writing(mapping), "mia")
    world.do(submitting(mapping), "mia")
    world.finish(anna.actor)
    assert state(world, mapping) == ("review", True)
    assert "was changed since you opened it" in anna.said


def test_who_wrote_a_rule_at_the_last_moment_does_not_approve(world, flow):
    """Max writes a rule while Mia asks for the review: he is an author by then."""
    mapping = draft(world, flow)
    late = world.request("max", writing(mapping))
    asked = world.request("mia", submitting(mapping))
    assert world.race(late, asked)
    judge = world.request("max", activating(mapping))
    world.finish(judge.actor)
    assert state(world, mapping) == ("review", True)
    assert "You wrote some of" in judge.said
