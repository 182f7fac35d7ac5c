from contextlib import contextmanager

from odoo import _, models

from ..lib.impact import Effect
from ..lib.trouble import DATABASE_TROUBLE
from ..lib.unit import Unit

MAX_PAGES = 50  # of the provider's list, when the first records there are chosen


class SyncHandlerInboundPreview(models.AbstractModel):
    """Documents planned twice, with two versions of the mapping, and applied never."""

    _inherit = "sync.handler.inbound"

    def _impact_choice(self, flow, mapping, limit):
        """Return the ids of the first records that the provider lists."""
        found, cursor = {}, ""
        handler = self.with_context(sync_mapping_id=mapping.id)
        flow = flow.with_env(handler.env)
        for _number in range(MAX_PAGES):
            with handler._guard(flow, "poll", ()):
                page = flow._connector()._poll(flow.connection_id, flow, cursor)
            found.update(dict.fromkeys(ref.external_id for ref in page.refs))
            if page.done or len(found) >= limit or page.cursor == cursor:
                break
            cursor = page.cursor
        return list(found)[:limit]

    def _impact_effects(self, flow, mapping, keys):
        """Read the documents once, with the paths of both versions, and plan them twice."""
        chosen = self.with_context(sync_mapping_id=mapping.id)
        flow.connection_id._assert_live()
        reading = chosen._read_documents(flow.with_env(chosen.env), keys, ())
        documents, job = reading.found, self.env["sync.job"]
        keys = [key for key in dict.fromkeys(keys) if key in documents]
        then = chosen._planned_effects(flow.with_env(chosen.env), keys, documents)
        now = self._planned_effects(flow, keys, documents) if flow.mapping_id else {}
        none = (Effect(), "", None)
        unread = [
            (key, key, None, none[0], Effect(problem=job._as_sync_error(error).message))
            for key, error in reading.failed.items()
        ]
        return unread + [
            (key, then[key][1], then[key][2] or now.get(key, none)[2], now.get(key, none)[0], then[key][0])
            for key in keys
        ]

    def _planned_effects(self, flow, keys, documents):
        """Return `{key: (Effect, name, record id or None)}`; one that cannot be planned spoils no other."""
        try:
            with self._undone():
                return self._plan_effects(flow, keys, documents)
        except DATABASE_TROUBLE:
            raise
        except Exception as error:  # noqa: BLE001 (told on the line)
            if len(keys) == 1:
                problem = self.env["sync.job"]._as_sync_error(error).message
                return {keys[0]: (Effect(problem=problem), keys[0], None)}
        middle = len(keys) // 2
        return {
            **self._planned_effects(flow, keys[:middle], documents),
            **self._planned_effects(flow, keys[middle:], documents),
        }

    @contextmanager
    def _undone(self):
        """Take back whatever planning touches: versions that were seen, flags of deletions."""
        savepoint = self.env.cr.savepoint()
        try:
            yield
        finally:
            savepoint.rollback()
            savepoint.close(rollback=False)
            self.env.invalidate_all(flush=False)

    def _plan_effects(self, flow, keys, documents):
        units = [Unit(flow, self.env["sync.job"], key) for key in keys]
        for unit in units:
            unit.document = documents[unit.external_id]
        registry = {}
        self._plan(self._as_service(flow), flow, units, registry, depth=0)
        self._spread_failures(registry.values())
        return {
            unit.external_id: (self._effect(unit), self._subject(unit), unit.record.id if unit.record else None)
            for unit in units
        }

    def _effect(self, unit):
        """Return what became of a planned unit, as plain values."""
        if unit.error:
            return Effect(problem=unit.error.message)
        if not unit.operation:
            return Effect()
        decisions = unit.decisions
        values = dict(unit.changes)
        waiting = {**decisions.held, **decisions.asked} if decisions else {}
        values.update({name: pair for name, pair in waiting.items() if name not in unit.draft.lines})
        shown = {name: (self._shown(before), self._shown(after)) for name, (before, after) in values.items()}
        for target, lines in unit.draft.lines.items():
            if target in waiting or unit.line_plans.get(target):
                shown[target] = (None, self._shown_lines(lines))
        return Effect(unit.operation, shown, frozenset(waiting))

    def _shown_lines(self, lines):
        texts = [
            ", ".join(f"{name} {self._shown(value)}" for name, value in line.values.items() if value is not None)
            for line in lines
        ]
        return _("%(count)s lines: %(lines)s", count=len(lines), lines="; ".join(texts))

    def _shown(self, value):
        """Return a planned value as it is; a record that is not there yet by its name."""
        if isinstance(value, Unit):
            return value.record.id if value.record else self._subject(value)
        return tuple(self._shown(item) for item in value) if isinstance(value, (tuple, list)) else value
