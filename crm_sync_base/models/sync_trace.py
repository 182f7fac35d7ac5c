from odoo import _, api, models


class SyncTrace(models.AbstractModel):
    """The whole story of one deal: every event, job and change, in order."""

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

        :param query: a correlation id, a remote id, or the name or number of an
            Odoo record (an order, an invoice, …).
        :return: `{"query", "title", "documents": [{"label", "name", "model",
            "res_id", "url", "system"}], "lines": [{"kind", "subkind", "model", "id",
            "at", "lag", "title", "detail", "values", "state", "system", "quiet"}],
            "problem": text or ""}`; times are ISO in UTC, lag is in seconds since the
            line before, values are `[[label, before, after]]`; a quiet line is one
            that nothing came of.
        """
        query = (query or "").strip()
        correlations = self._related(self._find_correlations(query)) if query else []
        if not correlations:
            problem = _("Nothing is known of “%s”.", query) if query else ""
            return {"query": query, "title": "", "documents": [], "lines": [], "problem": problem}
        lines = sorted(
            [
                *self._event_lines(correlations),
                *self._job_lines(correlations),
                *self._change_lines(correlations),
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
            "problem": "",
        }

    # === Finding ===#

    @api.model
    def _find_correlations(self, query):
        """Return the correlation ids of the stories that a text names."""
        exact = [("correlation_id", "=", query)]
        if self.env["sync.job"].search_count(exact, limit=1):
            return [query]
        found = self._correlations_of_remote_id(query)
        for model, field in self._searchable():
            records = self.env[model].search([(field, "=ilike", query)], limit=20)
            if records:
                found += records._sync_correlations().values()
        return list(dict.fromkeys(filter(None, found)))

    @api.model
    def _related(self, correlations):
        """Return the stories and those that they end in (a payout pays many deals)."""
        return correlations

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

    def _line(self, record, order, kind, moment, title, detail, state, system, subkind="", values=()):
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
        }

    def _event_lines(self, correlations):
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
            )

    def _job_lines(self, correlations):
        jobs = self.env["sync.job"].search([("correlation_id", "in", correlations)])
        fruitful = self._fruitful(jobs)
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
                job.kind,
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
