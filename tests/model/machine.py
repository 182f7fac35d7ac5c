"""Stories: what may happen to the engine, in any order, and the check that it did not mind."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from . import reference
from .connector import Door
from .reference import GOOD_COUNTRY, Past
from .remote import FAULTS, STALE, Delivery
from .stage import Actor, Hang
from .world import World

ACCOUNTS = ("a1", "a2", "a3")
CONTACTS = ("c1", "c2")
MOST_ACTORS = 4
ROUNDS = 12  # of healing; far more than any backoff of the flows needs

#: Any element of a list, whatever its length will be.
picks = st.integers(0, 5)
faults = st.sampled_from([(call, kind) for call, kinds in FAULTS.items() for kind in kinds])
#: Mostly good data, as in life.
countries = st.sampled_from([GOOD_COUNTRY, GOOD_COUNTRY, "ZZ"])


class Story(RuleBasedStateMachine):
    """One story, told on the stage of a `World`."""

    def __init__(self, world: World):
        super().__init__()
        self.world = world
        self.past = Past()
        self.on_the_way: dict[Actor, Delivery] = {}
        self.spoilt = False
        self.stage = world.open()
        self.remote = Door.remote

    # === At the provider ===#

    @initialize()
    def once_upon_a_time(self):
        """Something is there to begin with."""
        self.remote.put("Account", "a1", Name="a1", Email="a1@example.com", Country=GOOD_COUNTRY)

    @rule(external_id=st.sampled_from(ACCOUNTS), country=countries)
    def account_changes(self, external_id, country):
        """Somebody creates or changes an account."""
        self._change("Account", external_id, Country=country)

    @rule(external_id=st.sampled_from(CONTACTS), account=st.sampled_from((None, *ACCOUNTS)))
    def contact_changes(self, external_id, account):
        """Somebody creates or changes a contact, or moves it to another account."""
        if account is None or self.remote.newest("Account", account):
            self._change("Contact", external_id, AccountId=account)

    def _change(self, remote_object, external_id, **data):
        newest = self.remote.newest(remote_object, external_id)
        if not (newest and newest.deleted):
            name = f"{external_id} {self.remote.clock}"
            self.remote.put(
                remote_object, external_id, Name=name, Email=f"{self.remote.clock}@example.com", **data
            )

    @rule(pick=picks)
    def record_is_deleted(self, pick):
        """Somebody deletes a record."""
        alive = [key for key, versions in self.remote.history.items()
                 if not versions[-1].deleted and key[0] != "Tag"]
        if len(alive) > 1:
            self.remote.delete(*alive[pick % len(alive)])

    @rule(fault=faults)
    def provider_falters(self, fault):
        """The next call of a kind goes wrong."""
        call, kind = fault
        self.remote.faults.setdefault(call, []).append(kind)

    @precondition(lambda self: any(len(versions) > 1 for versions in self.remote.history.values()))
    @rule(pick=picks)
    def replica_lags(self, pick):
        """A late webhook leads to a read that does not know the newest change yet."""
        changed = [key for key, versions in self.remote.history.items() if len(versions) > 1]
        self.remote.faults.setdefault("read", []).insert(0, STALE)
        self.remote.tell(*changed[pick % len(changed)])

    # === On the way ===#

    @precondition(lambda self: self.remote.deliveries and len(self.stage.actors) < MOST_ACTORS)
    @rule(pick=picks, again=st.booleans(), slowly=st.booleans())
    def webhook_arrives(self, pick, again, slowly):
        """A delivery arrives, in any order; perhaps it will come again."""
        delivery = self.remote.deliveries[pick % len(self.remote.deliveries)]
        if not again:
            self.remote.deliveries.remove(delivery)
        actor = self.world.deliver(delivery, stops=slowly)
        self.on_the_way[actor] = delivery

    @precondition(lambda self: self.remote.deliveries)
    @rule(pick=picks)
    def webhook_is_lost(self, pick):
        """A delivery never arrives."""
        self.remote.deliveries.pop(pick % len(self.remote.deliveries))
        self.remote.gaps = True

    # === In Odoo ===#

    @precondition(lambda self: len(self.stage.actors) < MOST_ACTORS)
    @rule(remote_object=st.sampled_from(("Account", "Contact")))
    def poll(self, remote_object):
        """Somebody has Odoo look for changes."""
        self.world.person(
            lambda env: env["sync.flow"].search([("code", "=", f"inbound_{remote_object}")]).action_poll_now()
        )

    @precondition(lambda self: len(self.stage.actors) < MOST_ACTORS)
    @rule(pick=picks)
    def partner_is_edited(self, pick):
        """Somebody changes a field that goes out to the provider."""
        partners = sorted(b.res_id for b in self.world.facts().bindings if b.remote_object == "Account")
        if partners:
            self._edit("res.partner", partners[pick % len(partners)], "ref")

    @precondition(lambda self: len(self.stage.actors) < MOST_ACTORS)
    @rule(pick=picks)
    def tag_is_edited(self, pick):
        """Somebody changes or creates a tag; tags are born in Odoo."""
        tags = sorted(self.world.facts().tags)
        if pick < len(tags):
            self._edit("res.partner.category", tags[pick], "name")
        else:
            self._create_tag()

    def _edit(self, model, res_id, field):
        value = self._new_value()
        self.world.person(
            lambda env: env[model].browse(res_id).write({field: value}),
            after=lambda: self.past.edits[model, res_id].append(value),
        )

    def _create_tag(self):
        value, created = self._new_value(), []
        self.world.person(
            lambda env: created.append(env["res.partner.category"].create({"name": value}).id),
            after=lambda: self.past.edits["res.partner.category", created[-1]].append(value),
        )

    def _new_value(self):
        self.past.values += 1
        return f"value {self.past.values}"

    @precondition(lambda self: len(self.stage.actors) < MOST_ACTORS)
    @rule(target_=st.sampled_from(("connection", "inbound_Account", "inbound_Contact", "outbound_Account")),
          on=st.booleans())
    def switch(self, target_, on):
        """Somebody pauses or resumes the connection or a flow."""

        def play(env):
            if target_ == "connection":
                connection = env["sync.connection"].browse(self.world.connection_id)
                (connection.action_resume if on else connection.action_pause)()
            else:
                env["sync.flow"].search([("code", "=", target_)]).paused = not on

        self.world.person(play)

    @precondition(lambda self: len(self.stage.actors) < MOST_ACTORS)
    @rule()
    def everything_is_retried(self):
        """Somebody retries all that failed."""
        self.world.person(self._retry)

    @staticmethod
    def _retry(env):
        env["sync.job"].search([("state", "=", "failed")])._retry()

    # === Workers ===#

    @precondition(lambda self: len(self.stage.actors) < MOST_ACTORS)
    @rule()
    def worker_looks(self):
        """A worker of the scheduler looks for work."""
        self.world.worker()

    @precondition(lambda self: len(self.stage.actors) + 2 <= MOST_ACTORS)
    @rule(turns=st.lists(st.integers(0, 1), min_size=4, max_size=24))
    def workers_race(self, turns):
        """Two workers look at the same time, and go on in turns."""
        racers = [self.world.worker(), self.world.worker()]
        for turn in turns:
            if racers[turn] in self.stage.standing():
                self.stage.step(racers[turn])

    @rule()
    def a_quiet_hour(self):
        """Everybody finishes, everything that was asked for happens, workers do what is due."""
        self.stage.run_through()
        self.world.background()
        self.world.look()

    @precondition(lambda self: self.world.has_runner)
    @rule(lives=st.booleans())
    def runner_comes_or_goes(self, lives):
        """The job queue's runner ends or begins; the scheduler takes over, or hands over."""
        self.world.runner_lives = lives

    @precondition(lambda self: self.stage.standing())
    @rule(pick=picks, steps=st.integers(1, 6))
    def someone_goes_on(self, pick, steps):
        """Whoever stands goes on, a few stops or one."""
        actor = self._standing(pick)
        for _step in range(steps):
            if actor in self.stage.standing():
                self.stage.step(actor)

    @precondition(lambda self: self.stage.standing())
    @rule(pick=picks)
    def someone_finishes(self, pick):
        """Whoever stands goes on until it is done, or waits for another."""
        actor = self._standing(pick)
        while actor in self.stage.standing():
            self.stage.step(actor)

    @precondition(lambda self: self.stage.actors)
    @rule(pick=picks)
    def someone_is_killed(self, pick):
        """A process dies where it is."""
        self.stage.kill(self.stage.actors[pick % len(self.stage.actors)])

    @precondition(lambda self: self.stage.standing())
    @rule(pick=picks)
    def someone_loses_the_database(self, pick):
        """The database sessions of a process end, the process lives on."""
        self.stage.cut(self._standing(pick))

    def _standing(self, pick):
        standing = self.stage.standing()
        return standing[pick % len(standing)]

    @rule(lost=st.booleans())
    def background(self, lost):
        """What processes were asked to do in the background happens, or they died before."""
        if lost or len(self.stage.actors) >= MOST_ACTORS:
            self.world.lose_background()
        else:
            self.world.background()

    @precondition(lambda self: not self.stage.actors)
    @rule(seconds=st.sampled_from((1, 61, 3600)))
    def time_passes(self, seconds):
        """Nobody does anything for a while."""
        self.world.pass_time(seconds)

    # === Judgement ===#

    @invariant()
    def nothing_is_wrong(self):
        """What must hold at every moment, holds."""
        self._reap()
        self._judge([*Door.broken_rules, *reference.wrong_now(self.remote, self.world.facts(), self.past)])

    def _reap(self):
        """What was not accepted is delivered again."""
        for actor, delivery in list(self.on_the_way.items()):
            if actor not in self.stage.actors:
                del self.on_the_way[actor]
                if actor.dead or actor.error:
                    self.remote.deliveries.append(delivery)

    def _judge(self, wrong):
        if wrong:
            self.spoilt = True
            raise AssertionError("\n".join([*wrong, "", "The ledger of jobs:", *self.world.ledger()]))

    def teardown(self):
        """Let everything heal and judge what is left."""
        try:
            if not self.spoilt:
                self._live_happily_ever_after()
        finally:
            self.world.close()

    def _live_happily_ever_after(self):
        self.stage.run_through()
        self._reap()
        self.remote.faults.clear()
        self.world.runner_lives = True
        self._do(self._heal)
        self._work_off()
        self._judge_rest(complete=not self.remote.gaps)
        self._do(lambda env: env["sync.flow"].search([("direction", "=", "inbound")]).write({"poll": True}))
        self._work_off()
        self._judge_rest(complete=True)

    def _heal(self, env):
        env["sync.connection"].browse(self.world.connection_id).action_resume()
        env["sync.flow"].search([("paused", "=", True)]).paused = False

    def _do(self, play):
        actor = self.world.person(play)
        if actor.error:
            raise actor.error

    def _work_off(self):
        """Have workers look until nothing is due any more, then retry what failed, once."""
        for turn in range(2):
            if turn:
                self._do(self._retry)
            # The processes that had something in mind are gone: what is stored must do.
            self.world.lose_background()
            for _round in range(ROUNDS):
                self.world.pass_time(300)
                self._look()
                self.world.background()
                self._look()
                if not self._due():
                    break

    def _look(self):
        while self.remote.deliveries:
            self.world.deliver(self.remote.deliveries.pop(), stops=False)
        self.world.look()
        self.nothing_is_wrong()

    def _due(self):
        return self.remote.deliveries or [job for job in self.world.facts().jobs
                if job.state == "running" or (job.state == "pending" and job.is_due)]

    def _judge_rest(self, complete):
        facts = self.world.facts()
        wrong = list(reference.wrong_at_rest(self.remote, facts))
        if not complete:
            wrong = list(reference.stuck(facts))
        self._judge(wrong)


__all__ = ["Hang", "Story"]
