from odoo import _, models

from ..lib.errors import PolicyBlocked
from ..lib.outcome import Outcome
from ..lib.priorities import URGENT
from ..lib.saga import Undo


class SyncHandler(models.AbstractModel):
    """Interface of a handler: it runs a claimed batch of one flow."""

    _name = "sync.handler"
    _description = "Handler Interface"

    def _run(self, flow, jobs) -> dict[int, Outcome]:
        """Run claimed jobs of one flow and kind.

        Remote reads come first, before any lock on business records. The caller
        commits effects and results together. A serialization failure must get
        through to the caller.

        :return: `{job id: Outcome}`.
        """
        raise TypeError(f"{self._name} is only an interface")

    def _guard(self, flow, operation, jobs, subject=""):
        """Call the provider for claimed jobs inside, see `sync.connector._guard`.

        :param operation: read, poll or push.
        """
        connector = flow._connector()
        return connector._guard(
            flow.connection_id,
            connector._endpoint(flow.remote_object, operation),
            urgent=any(job.priority < URGENT for job in jobs),
            subject=subject,
        )

    def _as_service(self, flow):
        """Return the environment of the connection's service user and company."""
        connection = flow.connection_id
        return (
            self.with_user(connection.user_id)
            .with_company(connection.company_id)
            .with_context(tracking_disable=True, mail_notrack=True, mail_create_nolog=True)
            .env
        )

    def _assert_active_mapping(self):
        """Refuse to apply what was planned with a version that is not in use.

        The context that chooses a version can come from anywhere, a review cannot. It
        does not matter of which flow: prerequisites are written along.

        :raises PolicyBlocked: when the context names a version that is not active.
        """
        mapping = self.env["sync.mapping"].browse(self.env.context.get("sync_mapping_id") or [])
        if mapping and mapping.exists().state != "active":
            raise PolicyBlocked(
                _("%s is not the active mapping: nothing is written with it.", mapping.display_name),
                hint=_("Have the version reviewed and activated first."),
            )

    def _carries_out(self, job) -> bool:
        """Whether a job carries an approved plan out, and must not do anything else.

        A job of one record that somebody else asked for, too, or that a person retries,
        brings the present state: it is no longer only the plan's.
        """
        if job.run_id.kind != "execution":
            return False
        return job.kind == "page" or not (job.coalesced or job.replay_of_id)

    def _plan_refusal(self, flow) -> str:
        """Return why a dry run of this flow cannot be carried out as it is; empty if it can."""
        return ""

    # === A step of somebody else's story ===#

    def _is_story_step(self) -> bool:
        """Whether what this handler does belongs to the saga of the record's story.

        Charging an invoice follows from the order's steps without being one of them:
        it joins their saga when it has run, and is looked at when they are undone.
        """
        return False

    def _has_effect(self, job) -> bool:
        """Whether a job that succeeded left anything behind at the provider."""
        return bool(self._effect_of(job))

    def _effect_of(self, job):
        """Return the binding of the record that a job was about."""
        flow = job.flow_id
        record = self.env[job.model].browse(job.res_id)
        bindings = self.env["sync.binding"].sudo()._for_records(flow.connection_id, flow.remote_object, record)
        return bindings.get(record.id)

    def _is_uncertain(self, job) -> bool:
        """Whether nobody knows if the last call of a failed job took effect."""
        return bool(job.sudo().intent)

    def _undo_meaning(self) -> str:
        """Return what undoing a step of this handler means, in a sentence."""
        return _("Cannot be undone by itself: a person is asked.")

    def _undo(self, flow, line, record) -> Undo:
        """Take back what a job of this handler did to a record, or say who must.

        :param line: the `sync.saga.step`.
        """
        return Undo.person(
            _("What was done at %s cannot be undone by itself.", flow.connection_id.name),
            _("Take it back there, then mark it as handled."),
        )
