"""Two people decide on the same thing at the same time: one decision, carried out once, the other is told."""

from __future__ import annotations

from unittest.mock import patch

import pytest

APPROVE, REJECT = "approve", "reject"
PAIRS = [(APPROVE, APPROVE), (APPROVE, REJECT), (REJECT, APPROVE)]


# === Proposals ===#


@pytest.fixture
def proposal(world):
    """The id of a change of an e-mail address that waits for an approval."""

    def gate(env):
        field = env.ref("base.field_res_partner__email")
        env["sync.approval.rule"].create({"name": "E-mails", "field_ids": [(4, field.id)]})

    world.arrive("a1", Name="Zeppelin Works", Email="old@zeppelin.example")
    world.do(gate)
    world.arrive("a1", Email="new@zeppelin.example")
    return world.one("SELECT id FROM sync_proposal WHERE state = 'pending'")


def deciding(proposal, how):
    """Return what decides on a proposal as the button does."""

    def play(env):
        asked = env["sync.proposal"].browse(proposal)
        if how == APPROVE:
            return asked.action_approve()
        return env["sync.proposal.reject.wizard"].create({"proposal_ids": asked.ids, "reason": "No"}).action_reject()

    return play


def decide_at_once(world, proposal, first, second):
    """Let Anna decide beside Ben, who waits for her; check what became of it."""
    anna = world.request("anna", deciding(proposal, first))
    ben = world.request("ben", deciding(proposal, second))
    assert world.race(anna, ben), "the second waits for the first"
    state = "applied" if first == APPROVE else "rejected"
    [(found, who)] = world.stage.query("SELECT state, decided_by_id FROM sync_proposal WHERE id = %s", [proposal])
    assert (found, who) == (state, world.users["anna"])
    applied = world.one("SELECT count(*) FROM sync_change WHERE proposal_id = %s", proposal)
    assert applied == (first == APPROVE)
    email = world.one("SELECT email FROM res_partner WHERE name = 'Zeppelin Works'")
    assert email == ("new@zeppelin.example" if first == APPROVE else "old@zeppelin.example")
    assert anna.error is None
    assert ben.said.startswith("Zeppelin Works: nothing to decide any more.")
    assert "Anna" in ben.said
    assert ben.tries == 2


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_proposal_is_decided_once(world, proposal, first, second):
    """Whoever comes second is told whose decision it was."""
    decide_at_once(world, proposal, first, second)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_that_would_be_noticed(world, proposal, first, second):
    """Whoever does not look again after waiting is refused by the database, in its words."""
    cls = world.registry["sync.proposal"]
    with patch.object(cls, "_lock_pending", lambda self: self), pytest.raises(AssertionError):
        decide_at_once(world, proposal, first, second)


def test_of_many_each_is_decided_once(world):
    """Two select overlapping lists and approve them."""
    for number in "123":
        world.arrive(f"a{number}", Name=f"Zeppelin Works {number}", Email=f"old@zeppelin{number}.example")

    def gate(env):
        field = env.ref("base.field_res_partner__email")
        env["sync.approval.rule"].create({"name": "E-mails", "field_ids": [(4, field.id)]})

    world.do(gate)
    world.arrive("a1", "a2", "a3", Email="new@zeppelin.example")
    ids = [row[0] for row in world.stage.query("SELECT id FROM sync_proposal WHERE state = 'pending' ORDER BY id")]
    anna = world.request("anna", lambda env: env["sync.proposal"].browse(ids[:2]).action_approve())
    ben = world.request("ben", lambda env: env["sync.proposal"].browse(ids[1:]).action_approve())
    assert world.race(anna, ben)
    decided = world.stage.query("SELECT decided_by_id, count(*) FROM sync_proposal GROUP BY 1")
    assert dict(decided) == {world.users["anna"]: 2, world.users["ben"]: 1}
    assert world.one("SELECT count(*) FROM sync_change WHERE proposal_id IS NOT NULL") == 3
    assert ben.result["params"]["message"].startswith("1 applied")


# === Matches ===#


NAME, MAIL = "Zeppelin Workz", "post@zeppelin.example"


@pytest.fixture
def question(world):
    """The id of a question: is an account one of two partners that are there, with almost the same name?"""
    from tests.model.connector import Door

    world.do(lambda env: env["res.partner"].create([{"name": "Zeppelin Works", "zip": "10115"}] * 2).ids)
    Door.remote.put("Account", "a1", Name=NAME, Email=MAIL, Zip="10115")
    world.deliver_all()
    world.work()
    return world.one("SELECT id FROM sync_match WHERE state = 'open'")


def answering(question, how):
    """Return what answers a question by one of its buttons."""
    return lambda env: getattr(env["sync.match"].browse(question), how)()


ANSWERS = {"action_create": 3, "action_skip": 2, "action_bind_best": 2}  #: button → partners afterwards


def partners(world):
    """Return how many partners there are of one of the names."""
    return world.one("SELECT count(*) FROM res_partner WHERE name IN (%s, 'Zeppelin Works')", NAME)


@pytest.mark.parametrize(
    ("first", "second"),
    [("action_create", "action_bind_best"), ("action_bind_best", "action_create"), ("action_skip", "action_create")],
)
def test_a_question_is_answered_once(world, question, first, second):
    """The second waits, and is told who was faster; what the first said is done."""
    olga, mia = world.request("olga", answering(question, first)), world.request("mia", answering(question, second))
    assert world.race(olga, mia)
    assert olga.error is None
    assert f"{NAME} was decided by Olga" in mia.said
    world.work()
    assert partners(world) == ANSWERS[first]
    assert world.one("SELECT decided_by_id FROM sync_match WHERE id = %s", question) == world.users["olga"]


def create_beside_a_lane(world, question, person_first):
    """Somebody says that a customer is new, while another record of the same customer is brought in."""
    from tests.model.connector import Door

    def other_arrives():
        # Without a postcode nothing looks like it, so nobody is asked.
        Door.remote.put("Account", "a2", Name=NAME, Email=MAIL)
        world.deliver_all()

    steps = [lambda: world.do(answering(question, "action_create"), "olga"), other_arrives]
    lanes = []
    for step in steps if person_first else reversed(steps):
        step()
        lanes.append(world.worker_until("worked" if not lanes else "claimed"))
    world.come_to_rest(*reversed(lanes))
    return lanes


def test_a_lane_beside_somebody_who_creates_the_same_customer_asks(world, question):
    """The customer was created as decided; the duplicate at the source becomes a question."""
    create_beside_a_lane(world, question, person_first=True)
    assert partners(world) == 3
    assert world.stage.query("SELECT external_id FROM sync_match WHERE state = 'open'") == [("a2",)]


def test_that_the_lane_would_create_it_again_would_be_noticed(world, question):
    """What a person has decided to create is announced like anything else that is created."""
    handler = "sync.handler.inbound"
    with world.broken(handler, "_identify", lambda *_args: None), pytest.raises(AssertionError):
        create_beside_a_lane(world, question, person_first=True)
        assert partners(world) == 3


def test_somebody_who_creates_what_a_lane_created_has_the_last_word(world, question):
    """It is none of the candidates, he said; the lane's was none of them."""
    create_beside_a_lane(world, question, person_first=False)
    assert world.one("SELECT state FROM sync_match WHERE id = %s", question) == "create"


def reopen_beside_a_lane(world, question, how, at):
    """Somebody takes an answer back while a lane carries it out; return what he asked."""
    world.do(answering(question, how), "olga")
    worker = world.worker_until(at)
    mia = world.request("mia", answering(question, "action_reopen"))
    world.come_to_rest(mia.actor, worker)
    return mia


def stands(world, question):
    """Return an answer, and whether its account is bound."""
    bound = "EXISTS (SELECT 1 FROM sync_binding WHERE external_id = 'a1')"
    [row] = world.stage.query(f"SELECT state, {bound} FROM sync_match WHERE id = %s", [question])
    return row


@pytest.mark.parametrize("how", ["action_create", "action_bind_best"])
def test_an_answer_that_is_being_carried_out_is_not_taken_back(world, question, how):
    """Who tries waits, and is told that it is bound."""
    mia = reopen_beside_a_lane(world, question, how, "worked")
    assert "is bound already" in mia.said
    assert stands(world, question) == (how.split("_")[1], True)


@pytest.mark.parametrize("how", ["action_create", "action_bind_best"])
def test_an_answer_that_was_taken_back_in_time_is_not_carried_out(world, question, how):
    """The lane, which has read it, notices and asks again."""
    mia = reopen_beside_a_lane(world, question, how, "after read")
    assert mia.error is None
    assert stands(world, question) == ("open", False)


def test_otherwise_a_question_would_stay_open_that_is_settled(world, question):
    """The account is bound, and people are asked what it is."""
    with world.broken("sync.match", "_carry_out", lambda self, ids: None):
        reopen_beside_a_lane(world, question, "action_create", "worked")
    assert stands(world, question) == ("open", True)


# === Packages ===#


@pytest.fixture
def packages(world):
    """The ids of two packages of one flow that wait for an approval."""

    def flow_of(env):
        return env["sync.flow"].search([("code", "=", "inbound_Account")])

    def bring(env):
        ids = []
        for attempts in (7, 9):
            flow_of(env).sudo().max_attempts = attempts
            made = env["sync.package"].export_configuration([world.connection_id])
            ids.append(env["sync.package"].import_configuration(made["data"], f"Package {attempts}"))
        flow_of(env).sudo().max_attempts = 4
        env["sync.package"].browse(ids).action_check()
        return ids

    yield world.do(bring, "mia")
    world.stage.clear()
    world.do(lambda env: flow_of(env).write({"max_attempts": 4}))


def judging(package, how):
    """Return what decides on a package."""
    return lambda env: getattr(env["sync.package"].browse(package), f"action_{how}")()


def attempts(world):
    """Return the setting that the packages change."""
    return world.one("SELECT max_attempts FROM sync_flow WHERE code = 'inbound_Account' AND active")


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_package_is_decided_once(world, packages, first, second):
    """It is applied once, or not at all; whoever comes second is told."""
    anna, max_ = world.request("anna", judging(packages[0], first)), world.request("max", judging(packages[0], second))
    assert world.race(anna, max_)
    assert anna.error is None
    state = world.one("SELECT state FROM sync_package WHERE id = %s", packages[0])
    assert state == ("applied" if first == APPROVE else "rejected")
    assert attempts(world) == (7 if first == APPROVE else 4)
    assert max_.said.startswith("Package 7 does not wait")
    assert max_.tries == 2


def test_of_two_packages_the_second_shows_what_is_different_now(world, packages):
    """What it would change was computed from settings that the first one changed."""
    anna, max_ = (
        world.request("anna", judging(packages[0], APPROVE)),
        world.request("max", judging(packages[1], APPROVE)),
    )
    assert world.race(anna, max_)
    assert (anna.error, max_.error) == (None, None)
    assert attempts(world) == 7
    assert "Nothing of Package 9 was applied" in max_.result["params"]["message"]
    world.do(judging(packages[1], APPROVE), "max")
    assert attempts(world) == 9


def test_that_both_would_be_applied_would_be_noticed(world, packages):
    """Whoever does not compute again applies what nobody has seen."""
    digest = world.registry["sync.package"]._digest
    seen = world.one("SELECT plan_digest FROM sync_package WHERE id = %s", packages[1])

    def same(package, plan):
        return seen if package.id == packages[1] else digest(package, plan)

    with world.broken("sync.package", "_digest", same):
        anna = world.request("anna", judging(packages[0], APPROVE))
        max_ = world.request("max", judging(packages[1], APPROVE))
        world.race(anna, max_)
    assert attempts(world) == 9
