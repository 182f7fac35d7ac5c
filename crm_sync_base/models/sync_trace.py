from odoo import _, api, models
from odoo.tools import format_date

from ..lib import saga


class SyncTrace(models.AbstractModel):
    """The whole story of one deal: every event, job, change and act of a person, in order."""

    _name = "sync.trace"
    _description = "Trace"

    @api.model
    def _action(self, query):
        """Return the client action that shows the trace of a search text."""
        return {
            "type": "ir.actions.client",
            "tag": "crm_sync_trace",
            "name": _("Trace"),
            "params": {"query": query or ""},
        }

    @api.model
    def get_trace(self, query):
        """Return the story that a text names.

        :param query: a correlation id, a remote id, the id of an event, the idempotency
            key of one of our calls, or the name or number of an Odoo record (an order,
            an invoice, …).
        :return: `{"query", "title", "documents": [{"label", "name", "model",
            "res_id", "url", "system"}], "lines": [{"kind", "subkind", "model", "id",
            "at", "lag", "title", "detail", "values", "state", "system", "quiet",
            "tags"}], "troubles": [see `_troubles`], "problem": text or ""}`; times are ISO
            in UTC, lag is in seconds since the line before, values are `[[label, before,
            after]]`; a quiet line is one that nothing came of.
        """
        query = (query or "").strip()
        correlations = self._related(self._find_correlations(query)) if query else []
        if not correlations:
            problem = _("Nothing is known of “%s”.", query) if query else ""
            return {"query": query, "title": "", "documents": [], "lines": [], "troubles": [], "problem": problem}
        lines = sorted(
            [
                *self._event_lines(correlations),
                *self._job_lines(correlations),
                *self._change_lines(correlations),
                *self._person_lines(correlations),
                *self._edit_lines(correlations),
            ],
            key=lambda line: (line["at"] or "", line["order"], line["id"]),
        )
        previous = None
        for line in lines:
            line["lag"] = (line["moment"] - previous).total_seconds() if previous else 0.0
            previous = line.pop("moment")
        documents = self._documents(correlations)
        return {
            "query": query,
            "title": self._title(documents, query),
            "documents": documents,
            "lines": lines,
            "troubles": self._troubles(correlations),
            "problem": "",
        }

    # === Finding ===#

    @api.model
    def _find_correlations(self, query):
        """Return the correlation ids of the stories that a text names."""
        exact = [("correlation_id", "=", query)]
        if self.env["sync.job"].search_count(exact, limit=1):
            return [query]
        found = [*self._correlations_of_call(query), *self._correlations_of_remote_id(query)]
        for model, field in self._searchable():
            records = self.env[model].search([(field, "=ilike", query)], limit=20)
            if records:
                found += records._sync_correlations().values()
        return list(dict.fromkeys(filter(None, found)))

    @api.model
    def _related(self, correlations):
        """Return the stories and those that they end in (a payout pays many deals)."""
        return correlations

    def _correlations_of_call(self, query):
        """Return the stories of an event's own id, or of the key of one of our calls."""
        events = self.env["sync.event"].search([("source_id", "=", query)], limit=50)
        job = self.env["sync.handler.outbound"]._job_of_key(query)
        visible = job.with_env(self.env)._filtered_access("read")
        # An event that nothing came of at first has no story of its own.
        led_to = events.filtered(lambda event: not event.correlation_id).job_id
        return [record.correlation_id for records in (events, led_to, visible) for record in records]

    def _correlations_of_remote_id(self, query):
        """Return the stories of a remote id, in any spelling that its provider uses."""
        ids = {query}
        for connection in self.env["sync.connection"].search([]):
            ids |= {declared.normalize_id(query) for declared in connection._connector()._objects()}
        domain = [("external_id", "in", list(ids)), ("correlation_id", "!=", False)]
        found = []
        for model in ("sync.binding", "sync.job", "sync.event"):
            found += self.env[model].search(domain, limit=50).mapped("correlation_id")
        return found

    @api.model
    def _searchable(self):
        """Return the (model, field) pairs by which people name a deal."""
        return [("res.partner", "name")]

    # === Lines ===#

    def _line(self, record, order, kind, moment, title, detail, state, system, subkind="", values=(), tags=()):
        return {
            "kind": kind,
            "subkind": subkind,
            "model": record._name,
            "id": record.id,
            "order": order,
            "moment": moment,
            "at": moment.isoformat(timespec="milliseconds") if moment else "",
            "title": title or "",
            "detail": detail or "",
            "values": list(values),
            "state": state,
            "system": system,
            "quiet": False,
            "tags": [tag for tag in tags if tag],
        }

    def _event_lines(self, correlations):
        gaps = {"missed": _("Missed by webhooks"), "late": _("The webhook was late")}
        for event in self.env["sync.event"].search([("correlation_id", "in", correlations)]):
            repeated = _("received %s times", event.delivery_count) if event.delivery_count > 1 else ""
            yield self._line(
                event,
                0,
                "event",
                event.received_at,
                event.event_type or event.source_id,
                repeated,
                "accepted" if event.verdict == "accepted" else "failed",
                event.connection_id.name,
                event.origin,
                tags=[gaps.get(event.gap)],
            )

    def _job_lines(self, correlations):
        jobs = self.env["sync.job"].search([("correlation_id", "in", correlations)])
        fruitful = self._fruitful(jobs)
        sources = {"stored": _("As it was stored"), "edited": _("Edited")}
        for job in jobs:
            line = self._line(
                job,
                2,
                "job",
                job.done_at or job.started_at or job.create_date,
                job.name,
                job.error_message if job.state in ("failed", "pending") else job.summary,
                job.state,
                # Only a push acts at the provider; all else happens here.
                job.connection_id.name if job.kind == "push" else "Odoo",
                "undo" if job._undoes() else job.kind,
                tags=[job.replay_of_id and _("Again"), sources.get(job.source)],
            )
            looked = job.state == "done" and job.kind in ("record", "page") and job not in fruitful
            yield dict(line, quiet=looked or job.state == "cancelled")

    def _fruitful(self, jobs):
        """Return the jobs that changed something."""
        groups = self.env["sync.change"]._read_group([("job_id", "in", jobs.ids)], ["job_id"])
        return jobs.browse([job.id for [job] in groups])

    def _change_lines(self, correlations):
        for change in self.env["sync.change"].search([("correlation_id", "in", correlations)]):
            operation = dict(change._fields["operation"]._description_selection(self.env))
            yield self._line(
                change,
                1,
                "change",
                change.create_date,
                f"{operation[change.operation]}: {change.record_name or ''}",
                "",
                change.verdict,
                change.connection_id.name if change.direction == "outbound" else "Odoo",
                change.operation,
                [[row["label"], row["before"], row["after"]] for row in change.diff or ()],
            )

    def _person_lines(self, correlations):
        """Yield what people did, or took back, instead of a step."""
        steps = self.env["sync.saga.step"].search(
            [("saga_id.correlation_id", "in", correlations), ("user_id", "!=", False)]
        )
        for step in steps:
            undone = step.state == saga.UNDONE
            yield self._line(
                step,
                3,
                "person",
                step.undone_at if undone else step.done_at,
                _("%s: undone by hand", step.name) if undone else _("%s: done by hand", step.name),
                step._by_hand(),
                step.state,
                "Odoo",
                "undo" if undone else "",
            )

    def _edit_lines(self, correlations):
        """Yield the corrections of stored documents, for those who may see them."""
        if not self.env["sync.job.edit"].has_access("read"):
            return
        for edit in self.env["sync.job.edit"].search([("correlation_id", "in", correlations)]):
            yield self._line(
                edit,
                0,
                "person",
                edit.edited_at,
                _("%s: document edited", edit.name),
                _("%(user)s: %(reason)s", user=edit.user_id.name, reason=edit.reason or ""),
                "done",
                "Odoo",
                "change",
                [[row["label"], row["before"], row["after"]] for row in edit.diff or ()],
            )

    # === Troubles ===#

    def _troubles(self, correlations):
        """Return what keeps the stories from their end, and what is being done about it.

        :return: `[{"model", "id", "line": its key in the timeline, "title", "message",
            "hint", "code", "care": [texts], "links": [{"label", "model", "id"}]}]`.
        """
        failed = self.env["sync.job"].search(
            [("correlation_id", "in", correlations), ("state", "=", "failed")], order="id"
        )
        waiting = self.env["sync.saga"].search(
            [("correlation_id", "in", correlations), ("state", "=", saga.NEEDS_PERSON)], order="id"
        )
        refused = waiting.open_step_id.filtered(lambda step: step.state == saga.PERSON)
        troubles = [self._trouble_of_job(job) for job in failed if job not in refused.undo_job_id]
        return troubles + [self._trouble_of_step(step) for step in refused]

    def _trouble_of_job(self, job):
        labels = dict(job._fields["error_code"]._description_selection(self.env))
        step = self.env["sync.saga.step"].search([("job_id", "=", job.id)], limit=1)
        care = [self._care_of_exception(job.exception_id), self._care_of_saga(step), self._care_of_task(step)]
        return {
            "model": job._name,
            "id": job.id,
            "line": f"{job._name},{job.id}",
            "title": job.name or "",
            "message": job.error_message or "",
            "hint": job.error_hint or "",
            "code": labels.get(job.error_code, ""),
            "care": list(filter(None, care)),
            "links": self._links((_("Exception"), job.exception_id), (_("Steps"), step.saga_id)),
        }

    def _trouble_of_step(self, step):
        exception = step.undo_job_id.exception_id
        return {
            "model": step._name,
            "id": step.id,
            "line": f"{step.undo_job_id._name},{step.undo_job_id.id}",
            "title": step.display_name,
            "message": step._trouble() or "",
            "hint": step.undo_hint or "",
            "code": _("To undo by hand"),
            "care": list(filter(None, [
                self._care_of_exception(exception), self._care_of_saga(step), self._care_of_task(step),
            ])),
            "links": self._links(
                (_("Exception"), exception), (_("Steps"), step.saga_id), (_("Job"), step.undo_job_id)
            ),
        }

    def _links(self, *pairs):
        return [
            {"label": label, "model": record._name, "id": record.id}
            for label, record in pairs
            if record and record.has_access("read")
        ]

    def _care_of_exception(self, exception):
        """Return in words who has taken the cause on."""
        if not exception or not exception.has_access("read"):
            return ""
        states = dict(exception._fields["state"]._description_selection(self.env))
        return _(
            "Exception: %(state)s, %(owner)s",
            state=states[exception.state],
            owner=exception.user_id.name or _("nobody's"),
        )

    def _care_of_saga(self, step):
        """Return in words how far the steps are, and which way they go."""
        story = step.saga_id
        if not story:
            return ""
        states = dict(story._fields["state"]._description_selection(self.env))
        undone = len(story.step_ids.filtered(lambda line: line.state == saga.UNDONE))
        if story.backward:
            return _("Steps: %(state)s, %(undone)s undone", state=states[story.state], undone=undone)
        return _("Steps: %(progress)s done, what is done stays", progress=story.progress)

    def _care_of_task(self, step):
        """Return in words who was asked."""
        activity = step.sudo().activity_id
        if not activity.active:
            return ""
        return _(
            "Task: %(user)s, until %(date)s",
            user=activity.user_id.name,
            date=format_date(self.env, activity.date_deadline),
        )

    # === Documents ===#

    def _documents(self, correlations):
        """Return the records of the story, remote ones with their address.

        Records that the reader may not see are left out, their remote twins are not.
        """
        documents, seen = [], set()
        for binding in self.env["sync.binding"].search(
            [("correlation_id", "in", correlations)], order="id"
        ):
            record = binding._record()
            if not self._is_document(record):
                continue
            if record not in seen and record.has_access("read"):
                documents.append(self._document(record))
            seen.add(record)
            documents.append(self._remote_document(binding))
        return documents

    def _title(self, documents, query):
        """Return the name of the story: what was asked for, else the deal's document."""
        deal_models = self.env["sync.flow"].search([("is_document", "=", True)]).mapped("model")
        ours = [document for document in documents if document["system"] == "Odoo"]
        named = [document for document in ours if document["name"].lower() == query.lower()]
        deals = [document for document in ours if document["model"] in deal_models]
        found = next(iter([*named, *deals, *ours]), None)
        return found["name"] if found else query

    def _document(self, record):
        return {
            # Some documents know better what they are than their model does.
            "label": ("type_name" in record._fields and record.type_name) or record._description,
            "name": record.display_name,
            "model": record._name,
            "res_id": record.id,
            "url": "",
            "system": "Odoo",
        }

    def _remote_document(self, binding):
        connection = binding.connection_id
        declared = connection._connector()._object(binding.remote_object)
        return {
            "label": declared.label,
            "name": binding.external_id,
            "model": binding._name,
            "res_id": binding.id,
            "url": connection._connector()._record_url(
                connection, binding.remote_object, binding.external_id
            )
            or "",
            "system": connection.name,
        }

    def _is_document(self, record):
        """Return whether a record is worth a link of its own (lines are not)."""
        return bool(record) and "sync_binding_count" in record._fields
