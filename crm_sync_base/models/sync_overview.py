from datetime import timedelta

from odoo import api, fields, models

STORIES = 8  # deals on the page
EVENTS = 8
STUCK_MINUTES = 5  # work that has been due for so long is not picked up by anybody


class SyncOverview(models.AbstractModel):
    """The figures of the *Overview* page, as far as the reader may see them."""

    _name = "sync.overview"
    _description = "Overview"

    @api.model
    @api.readonly
    def get_overview(self):
        """Return everything the page shows, in a number of queries that does not grow.

        :return: `{"deals": {"count", "domain", "rows"}, "jobs": {"waiting", "running",
            "failed"}, "exceptions": {"open", "late", "mine", "classes"},
            "connections": [...], "events": [...], "holds": [{"id", "name", "scope",
            "until"}], "stuck_minutes", "switched_off": names of scheduled actions}`; moments
            are ISO in UTC, the domain is that of the jobs of deals under way. What a row holds
            is said at the method that makes it.
        :raises AccessError: when the reader has nothing to do with synchronisation.
        """
        return {
            "deals": {
                "count": self._deal_count(),
                "domain": self._open_domain(),
                "rows": self._deals(),
            },
            "jobs": self._jobs(),
            "exceptions": self._exceptions(),
            "connections": self._connections(),
            "events": self._events(),
            "holds": self._holds(),
            "stuck_minutes": self._stuck_minutes(),
            "switched_off": self.env["ir.cron"]._sync_switched_off().mapped("name"),
        }

    # === Deals ===#

    @api.model
    def _deal_flows(self):
        """Return the flows by which deals arrive; a module that knows better overrides this."""
        return self.env["sync.flow"].search([("is_document", "=", True), ("direction", "=", "inbound")])

    @api.model
    def _deal_domain(self):
        """Return the domain of the jobs that carry deals (not of those that look for any)."""
        return [("flow_id", "in", self._deal_flows().ids), ("kind", "in", ("record", "step"))]

    @api.model
    def _open_domain(self):
        """Return the domain of the jobs of deals that have not arrived yet."""
        return [*self._deal_domain(), ("state", "in", ("pending", "running", "failed"))]

    @api.model
    def _deal_bindings(self, domain, **options):
        """Return bindings of what deals became: orders, not their customers."""
        models_ = self._deal_flows().mapped("model")
        return self.env["sync.binding"].search([("model", "in", models_), *domain], **options)

    @api.model
    def _deal_count(self):
        """Return how many deals are under way."""
        [[count]] = self.env["sync.job"]._read_group(
            self._open_domain(), [], ["correlation_id:count_distinct"]
        )
        return count

    @api.model
    def _deals(self):
        """Return the deals under way, then those that arrived last.

        :return: `[{"correlation_id", "name", "detail", "state", "waiting", "failed",
            "done", "at"}]`; state is waiting, failed or done.
        """
        under_way = [
            correlation
            for correlation, _latest in self.env["sync.job"]._read_group(
                self._open_domain(), ["correlation_id"], ["id:max"], order="id:max desc", limit=STORIES
            )
        ]
        arrived = self._deal_bindings([("correlation_id", "!=", False)], limit=STORIES)
        stories = dict.fromkeys([*under_way, *arrived.mapped("correlation_id")])
        stories = list(filter(None, stories))[:STORIES]
        names = self._story_names(stories)
        counts = self._story_counts(stories)
        return [self._deal(story, names.get(story), counts[story]) for story in stories]

    def _deal(self, story, name, counts):
        if counts["failed"]:
            state = "failed"
        else:
            state = "waiting" if counts["waiting"] else "done"
        name, detail = name or (counts["name"], "")
        return {**counts, "correlation_id": story, "name": name, "detail": detail, "state": state}

    def _story_counts(self, stories):
        """Return `{story: {"waiting", "failed", "done", "at", "name"}}`."""
        found = {
            story: {"waiting": 0, "failed": 0, "done": 0, "at": "", "name": ""} for story in stories
        }
        key = {"pending": "waiting", "running": "waiting", "failed": "failed", "done": "done"}
        for story, state, count, latest, name in self.env["sync.job"]._read_group(
            [("correlation_id", "in", stories)],
            ["correlation_id", "state"],
            ["__count", "create_date:max", "name:min"],
        ):
            row = found[story]
            if state in key:
                row[key[state]] += count
            row["at"] = max(row["at"], latest.isoformat())
            row["name"] = row["name"] or name or ""
        return found

    def _story_names(self, stories):
        """Return `{story: (name, detail)}`: after what a deal became, else after what failed."""
        failed = self.env["sync.job"].search(
            [
                *self._deal_domain(),
                ("correlation_id", "in", stories),
                ("state", "=", "failed"),
                ("subject", "!=", False),
            ]
        )
        names = {job.correlation_id: (job.subject, job.external_id) for job in failed}
        bindings = self._deal_bindings([("correlation_id", "in", stories)])  # the latest come first
        names.update(
            (binding.correlation_id, (binding.record_name, binding.external_id))
            for binding in bindings
            if binding.record_name
        )
        return names

    # === Jobs ===#

    @api.model
    def _jobs(self):
        """Return how many jobs are waiting, running and failed; each count has its own index.

        The next look for changes of each flow is scheduled, it does not count as waiting.
        """
        Job = self.env["sync.job"]
        return {
            "waiting": Job.search_count(Job._waiting_domain()),
            "running": Job.search_count([("state", "=", "running")]),
            "failed": Job.search_count([("state", "=", "failed")]),
        }

    @api.model
    def _stuck_minutes(self):
        """Return for how many minutes due work has been waiting with no lane alive, else 0."""
        since = self.env["sync.watchdog"].sudo()._overlooked_since()
        silence = fields.Datetime.now() - since if since else timedelta()
        return int(silence.total_seconds() // 60) if silence > timedelta(minutes=STUCK_MINUTES) else 0

    @api.model
    def _holds(self):
        """Return what is held back on purpose at this moment."""
        scopes = dict(self.env["sync.hold"]._fields["scope"]._description_selection(self.env))
        return [
            {
                "id": hold.id,
                "name": hold.name,
                "scope": (hold.flow_id or hold.connection_id).display_name or scopes[hold.scope],
                "until": _iso(hold.date_end),
            }
            for hold in self.env["sync.hold"]._at(fields.Datetime.now())
        ]

    # === Exceptions ===#

    @api.model
    def _exceptions(self):
        """Return the exception desk in figures.

        :return: `{"open", "late", "mine", "classes": [{"code", "label", "count",
            "waiting"}]}`, the fullest class first.
        """
        Exc = self.env["sync.exception"]
        opened = [("state", "in", ("new", "acknowledged"))]
        labels = dict(Exc._selection_error_code())
        classes = [
            {"code": code, "label": labels.get(code, code), "count": count, "waiting": waiting}
            for code, count, waiting in Exc._read_group(
                opened, ["error_code"], ["__count", "job_count:sum"], order="__count desc, error_code"
            )
        ]
        return {
            "open": sum(row["count"] for row in classes),
            "late": Exc.search_count([*opened, ("deadline", "<", fields.Datetime.now())]),
            "mine": Exc.search_count([*opened, ("user_id", "=", self.env.uid)]),
            "classes": classes,
        }

    # === Connections and events ===#

    @api.model
    def _connections(self):
        """Return the connections with their state.

        :return: `[{"id", "name", "provider", "environment", "state", "state_label",
            "reason", "waiting", "exceptions", "last_success_at"}]`.
        """
        connections = self.env["sync.connection"].search([])
        states = dict(connections._fields["state"]._description_selection(self.env))
        providers = dict(connections._fields["provider"]._description_selection(self.env))
        return [
            {
                "id": connection.id,
                "name": connection.name,
                "provider": providers.get(connection.provider, connection.provider),
                "environment": connection.environment,
                "state": connection.state,
                "state_label": states[connection.state],
                "reason": connection.paused_reason or connection.last_error or "",
                "waiting": connection.pending_count,
                "exceptions": connection.exception_count,
                "last_success_at": _iso(connection.last_success_at),
            }
            for connection in connections
        ]

    @api.model
    def _events(self):
        """Return what arrived last.

        :return: `[{"id", "title", "detail", "system", "accepted", "verdict", "at",
            "correlation_id"}]`.
        """
        events = self.env["sync.event"].search([], limit=EVENTS)
        verdicts = dict(events._fields["verdict"]._description_selection(self.env))
        return [
            {
                "id": event.id,
                "title": event.event_type or verdicts[event.verdict],
                "detail": event.external_id or "",
                "system": event.connection_id.name or "",
                "accepted": event.verdict == "accepted",
                "verdict": verdicts[event.verdict],
                "at": _iso(event.received_at),
                "correlation_id": event.correlation_id or "",
            }
            for event in events
        ]


def _iso(moment):
    return moment.isoformat() if moment else ""
