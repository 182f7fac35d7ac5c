from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Domain

from ..lib import clock, documents
from ..lib.documents import DocumentUnreadable, EditProblem, Kept
from ..lib.errors import DataInvalid
from ..lib.replay import CARRIED, NEVER_REPLAYED, REPLAYABLE, SOURCES
from ..lib.vault import VaultError

#: what has not come to an end; the next look of a flow is no work that could be lost
OPEN_WORK = Domain("state", "in", ("pending", "failed")) & Domain("kind", "!=", "poll")
EDITS_FOR = "crm_sync_base.group_sync_operator,crm_sync_base.group_sync_auditor"


class SyncJobReplay(models.Model):
    """The job ledger looked back upon: documents that were fetched, replays, edits."""

    _inherit = "sync.job"

    source = fields.Selection(SOURCES, string="Works From", readonly=True)
    document_token = fields.Text(
        readonly=True,
        prefetch=False,
        groups="base.group_system",
        help="The document as it was fetched, encrypted.",
    )
    has_document = fields.Boolean(
        string="Document Stored", compute="_compute_has_document", search="_search_has_document"
    )
    replay_ids = fields.One2many("sync.job", "replay_of_id", string="Replays", readonly=True)
    replay_count = fields.Integer(compute="_compute_replay_count")
    original_outcome = fields.Char(
        compute="_compute_original_outcome", string="Before the Replay",
        help="What the job that is replayed came to: compare it with this one's result.",
    )
    edit_ids = fields.One2many(
        "sync.job.edit", "job_id", string="Edits", readonly=True, groups=EDITS_FOR
    )
    retry_edit_ids = fields.One2many(
        "sync.job.edit", "retry_id", string="Made by This Edit", readonly=True, groups=EDITS_FOR
    )

    _replay_of = models.Index("(replay_of_id) WHERE replay_of_id IS NOT NULL")

    # === Computes ===#

    def _compute_has_document(self):
        self.flush_recordset(["document_token"])
        self.env.cr.execute(
            "SELECT id FROM sync_job WHERE id = ANY(%s) AND document_token IS NOT NULL",
            [list(filter(None, self._origin.ids))],
        )
        stored = {row[0] for row in self.env.cr.fetchall()}
        for job in self:
            job.has_document = job._origin.id in stored

    def _search_has_document(self, operator, value):
        if operator != "in":
            return NotImplemented
        # What is in the column is nobody's business; whether there is anything is.
        stored = self.sudo()._search([("document_token", "!=", False)])
        return [("id", "in" if True in value else "not in", stored)]

    def _compute_replay_count(self):
        counts = dict(
            self._read_group([("replay_of_id", "in", self.ids)], ["replay_of_id"], ["__count"])
        )
        for job in self:
            job.replay_count = counts.get(job, 0)

    @api.depends("replay_of_id.outcome", "replay_of_id.error_message")
    def _compute_original_outcome(self):
        """A failure stays one, even if a later job has made up for it since."""
        for job in self:
            original = job.replay_of_id
            failed = original.error_code and original.state in ("failed", "cancelled")
            job.original_outcome = original.error_message if failed else original.outcome

    # === Documents ===#

    def _kept(self):
        """Return what this job had fetched, or carries, as a `Kept`.

        :raises DataInvalid: when there is nothing, or no configured key opens it.
        """
        self.ensure_one()
        token = self.sudo().document_token
        if not token:
            raise DataInvalid(
                _("%s: no document is stored.", self.name),
                hint=_("Replay it from the current state at the other system."),
            )
        try:
            return documents.load(self.env["sync.connection"]._vault().decrypt(token))
        except (VaultError, DocumentUnreadable):
            raise DataInvalid(
                _("%s: the stored document cannot be read.", self.name),
                hint=_(
                    "Replay it from the current state. If the key was exchanged, keep the old "
                    "one configured, too."
                ),
            ) from None

    def _document(self):
        """Return the document that this job had fetched or carries; as `_kept`."""
        return self._kept().document

    @api.model
    def _kept_as_token(self, kept):
        """Return the encrypted form of documents, or None when they cannot be kept."""
        text = documents.dump(kept)
        return text and self.env["sync.connection"]._vault().encrypt(text)

    def _document_as_of(self):
        """Return until when the carried document was the newest thing known of its record.

        Only asked where the provider has no versions to compare.
        """
        self.ensure_one()
        job = self
        while job.source == "stored" and job.replay_of_id:
            job = job.replay_of_id
        # An edit is as old as the person's decision, whenever it ran.
        return job.done_at if job.source not in CARRIED and job.done_at else job.create_date

    # === Replay ===#

    def _replay(self, source="current", run=None, priority=None):
        """Run the work of these jobs again, as new jobs linked to them.

        The idempotency keys are those of the originals: work that is waiting already
        is only counted, and what was done once is found done. A job without a stored
        document is always replayed from the current state.

        :param source: "current" or "stored".
        :param run: the run that the new jobs belong to.
        :param priority: smallest number that the new jobs may have.
        :return: the new jobs; fewer than these when others cover some.
        :raises AccessError: for who may not work on jobs; enqueueing itself asks nobody.
        """
        self.check_access("write")
        again = self.filtered(lambda job: job._may_be_replayed()).sorted("id")
        specs = [job._replay_spec() for job in again]
        for job, spec in zip(again, specs, strict=True):
            spec["run_id"] = run.id if run else False
            spec["priority"] = max(spec["priority"], priority or 0)
            if source == "stored" and job.has_document:
                spec.update(source="stored", document_token=job.sudo().document_token)
        found = self.browse({job["id"] for job in self._enqueue(specs)})
        found.invalidate_recordset()
        return found.filtered(lambda job: job.replay_of_id in again)

    def _may_be_replayed(self):
        """What only planned, or carried a plan out, is started anew as a run, with its rules."""
        if self.run_id._keeps_jobs():
            return False
        return self.state in REPLAYABLE and self.kind not in NEVER_REPLAYED

    def action_replay(self):
        """Replay this one job from the current state and show the new one."""
        return self._action_replay_one("current")

    def action_replay_stored(self):
        """Replay this one job from its stored document and show the new one."""
        return self._action_replay_one("stored")

    def _action_replay_one(self, source):
        self.ensure_one()
        if not self._may_be_replayed():
            raise UserError(
                _(
                    "%s: only what has ended can be replayed, and neither a look for changes nor "
                    "a part of a dry run or an approved plan: start that run again.",
                    self.name,
                )
            )
        replay = self._replay(source)
        if not replay:
            return self._notice(_("%s waits to be run already; that job does it.", self.name))
        return replay._action_form()

    def action_open_replay_wizard(self):
        """Ask how to replay the selection, or everything that the filter shows."""
        return self.env["sync.replay.wizard"]._action_for_selection()

    def action_open_replays(self):
        """Open the jobs that replayed this one."""
        self.ensure_one()
        if len(self.replay_ids) == 1:
            return self.replay_ids._action_form()
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_job")
        title = _("Replays")
        domain = [("replay_of_id", "=", self.id)]
        return dict(action, domain=domain, context={}, name=title, display_name=title)

    def action_open_discard_wizard(self):
        """Ask why the selection, or everything that the filter shows, is given up.

        :raises AccessError: for who may not work on jobs.
        """
        self.env["sync.job"].check_access("write")
        return self.env["sync.job.discard.wizard"]._action_for(self)

    def _discard(self, reason):
        """Close waiting and failed jobs for good; they stay in the ledger with the reason.

        :raises AccessError: for who may not work on jobs.
        """
        self.check_access("write")
        exceptions = self.exception_id
        self.filtered_domain(OPEN_WORK).write(
            {
                "state": "cancelled",
                "done_at": clock.now(),
                "summary": _(
                    "Discarded by %(user)s: %(reason)s", user=self.env.user.name, reason=reason
                ),
            }
        )
        exceptions.sudo()._close_if_empty()

    def _action_form(self):
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    @staticmethod
    def _notice(message, then=None, kind="info"):
        """Return a passing message.

        :param then: the action that follows.
        """
        params = {"type": kind, "message": message, **({"next": then} if then else {})}
        return {"type": "ir.actions.client", "tag": "display_notification", "params": params}

    # === Edit and retry ===#

    def action_edit_payload(self):
        """Open the dialog in which the stored document is corrected."""
        self._check_may_edit()
        return {
            "type": "ir.actions.client",
            "tag": "crm_sync_edit_payload",
            "name": _("Edit and Retry"),
            "params": {"job_id": self.id},
        }

    def _check_may_edit(self):
        """Documents hold personal data: they are shown to who may correct them only."""
        self.ensure_one()
        if not self.env.user.has_group("crm_sync_base.group_sync_operator"):
            raise AccessError(_("Only operators may see and edit stored documents."))
        self.check_access("write")
        if self.state not in REPLAYABLE or self.kind != "record":
            raise UserError(_("%s: only what has ended can be edited and retried.", self.name))

    def get_editable_document(self):
        """Return the stored document for the dialog, secrets masked.

        Of a failed job with the prerequisites that were fetched for it: what is to be
        corrected may be in any of them.

        :return: `{"name", "message", "hint", "text", "sections"}`; `text` is JSON, each
            section has a `title` and `fields`: `{"pointer", "path", "label", "value",
            "kind", "locked", "absent", "mapped"}` with what the mapping reads first,
            missing places included.
        :raises AccessError: for anybody below operators.
        """
        self._check_may_edit()
        kept = self._editable_kept()
        data = documents.veiled(self._editable_data(kept))
        return {
            "name": self.name,
            "message": self.error_message or "",
            "hint": self.error_hint or "",
            "text": documents.to_json(data, indent=2),
            "sections": self._editable_sections(kept, data),
        }

    def _editable_kept(self):
        try:
            return self._kept()
        except DataInvalid as error:
            raise UserError("\n".join((error.message, error.hint))) from None

    def _editable_parts(self, kept):
        """Return `[(title, remote object, document)]`, the job's own first."""
        connector = self.connection_id.sudo()._connector()
        rows = [(self.remote_object, kept.document), *kept.brought]
        return [
            (f"{connector._object(name).label} {document.external_id}", name, document)
            for name, document in rows
        ]

    def _editable_data(self, kept):
        """Return what is edited: the document, or `{title: document}` of several."""
        if not kept.brought:
            return kept.document.data
        return {title: document.data for title, _name, document in self._editable_parts(kept)}

    def _editable_sections(self, kept, data):
        if not kept.brought:
            [(title, name, _document)] = self._editable_parts(kept)
            return [{"title": title, "fields": self._editable_fields(name, data, ())}]
        return [
            {"title": title, "fields": self._editable_fields(name, data[title], (title,))}
            for title, name, _document in self._editable_parts(kept)
        ]

    def _editable_fields(self, remote_object, data, keys):
        """Return the fields of one document; `keys` lead to it in what is edited."""
        labels = self._mapped_labels(remote_object)
        present = list(documents.leaves(data))
        known = {leaf.path for leaf in present}
        absent = [
            documents.Leaf(documents.pointer_of(path.split(".")), documents.ABSENT)
            for path in labels
            if path not in known and not any(other.startswith(f"{path}.") for other in known)
        ]
        prefix = documents.pointer_of(keys)
        rows = [self._editable_field(leaf, prefix, labels) for leaf in [*present, *absent]]
        return sorted(rows, key=lambda row: not row["mapped"])  # stable: the rest keeps its order

    def _mapped_labels(self, remote_object):
        """Return `{remote path: label}` of what the mapping of an object reads."""
        flow = self.flow_id.sudo()
        if remote_object != flow.remote_object:
            flow = self.env["sync.flow"]._for_object(self.connection_id, remote_object)[:1]
        return {
            rule.remote_path: rule._label()
            for rule in flow.mapping_id.rule_ids
            if rule.remote_path and not rule.parent_id and rule.direction != "outbound"
        }

    @staticmethod
    def _editable_field(leaf, prefix, labels):
        kind = "boolean" if isinstance(leaf.value, bool) else "text"
        return {
            "pointer": prefix + leaf.pointer,
            "path": leaf.path,
            "label": labels.get(leaf.path) or "",
            "value": documents.shown(leaf.value),
            "kind": kind,
            "locked": leaf.value == documents.MASK,
            "absent": leaf.value is documents.ABSENT,
            "mapped": leaf.path in labels,
        }

    def retry_edited(self, reason, texts=None, text=None):
        """Run this job again with a corrected document; the correction is recorded.

        :param reason: why, in the person's words.
        :param texts: `{pointer: what was typed}`, or
        :param text: all of it as JSON.
        :return: the action that opens the new job.
        :raises UserError: when nothing was changed, a value cannot be used, or newer
            work of the same record waits already.
        """
        self._check_may_edit()
        if not (reason or "").strip():
            raise ValidationError(_("Say why the document is changed."))
        kept = self._editable_kept()
        before = self._editable_data(kept)
        after = self._edited_data(before, texts, text)
        values = documents.differences(before, after)
        if not values:
            raise UserError(_("Nothing was changed."))
        retry = self._enqueue_edited(self._edited_kept(kept, after))
        self.env["sync.job.edit"]._record(self, retry, values, reason.strip())
        return retry._action_form()

    @staticmethod
    def _edited_data(data, texts, text):
        try:
            if text is None:
                return documents.edited(data, texts or {})
            edited = documents.unveiled(documents.from_json(text), data)
            if not isinstance(edited, dict):
                raise EditProblem(_("a document is a JSON object"))
        except EditProblem as problem:
            raise UserError(_("This cannot be used: %s", problem)) from None
        return edited

    def _edited_kept(self, kept, after):
        """Return the documents to work from: the job's own, and what was edited of the others."""
        if not kept.brought:
            return Kept(self._edited_document(kept.document, after))
        edited = []
        for title, name, document in self._editable_parts(kept):
            data = after.get(title)
            if not isinstance(data, dict):
                raise UserError(_("This cannot be used: %s is missing.", title))
            if document is kept.document or data != document.data:
                edited.append((name, self._edited_document(document, data)))
        return Kept(edited[0][1], tuple(edited[1:]))

    @staticmethod
    def _edited_document(document, data):
        version = documents.edited_version(document.version, clock.now())
        return documents.Document(document.external_id, data, version)

    def _enqueue_edited(self, kept):
        spec = dict(
            self._replay_spec(), source="edited", document_token=self._kept_as_token(kept)
        )
        [found] = self._enqueue([spec])
        retry = self.browse(found["id"])
        retry.invalidate_recordset()
        if retry.replay_of_id != self or retry.source != "edited":
            raise UserError(
                _("A newer job of %s waits to be run. Let it run first: it may bring what is "
                  "missing.", self.name)
            )
        return retry
