import json

from odoo import fields, models

from ..lib import histogram
from ..lib.declarations import VERDICTS
from ..lib.rollup import COUNTS, EVENT, TIMES, Key, Measures
from .sync_job import KINDS

#: the columns of a key and of its measures, in one order for reading and writing
KEY_COLUMNS = ("connection_id", "flow_id", "kind", "error_code", "origin", "verdict", "http_status")
VALUE_COLUMNS = (
    *COUNTS,
    *(f"{name}_seconds" for name in TIMES),
    *(f"{name}_buckets" for name in TIMES),
)
KEY_INDEX = ", ".join(KEY_COLUMNS)


class SyncMetricMixin(models.AbstractModel):
    """What is counted, and by what: common to minutes and to all-time totals."""

    _name = "sync.metric.mixin"
    _description = "Counted Work"

    # === By what ===#
    connection_id = fields.Many2one(
        "sync.connection", readonly=True, ondelete="cascade", index="btree_not_null"
    )
    flow_id = fields.Many2one("sync.flow", readonly=True, ondelete="cascade", index="btree_not_null")
    kind = fields.Selection([*KINDS, (EVENT, "Delivery")], required=True, readonly=True)
    error_code = fields.Selection("_selection_error_code", string="Error Class", readonly=True)
    origin = fields.Selection([("webhook", "Webhook"), ("poll", "Poll")], readonly=True)
    verdict = fields.Selection(list(VERDICTS.items()), readonly=True)
    http_status = fields.Integer(string="Answer", readonly=True, aggregator=None)

    # === Jobs ===#
    done = fields.Integer(readonly=True)
    failed = fields.Integer(readonly=True, help="Jobs that were handed to a person.")
    replaced = fields.Integer(readonly=True, help="Jobs that a later one covered before they ran.")
    records = fields.Integer(readonly=True, help="Records in the jobs that are done.")
    retried = fields.Integer(string="Retries", readonly=True, help="Attempts after the first.")
    crashed = fields.Integer(string="Crashes", readonly=True, help="Times a worker died.")
    coalesced = fields.Integer(
        readonly=True, help="Further requests that a waiting job covered: duplicates suppressed."
    )

    on_time = fields.Integer(
        readonly=True, help="Jobs that were done within the maximum latency of their flow."
    )

    # === Deliveries ===#
    accepted = fields.Integer(readonly=True)
    refused = fields.Integer(readonly=True)
    forged = fields.Integer(
        string="Signature Failures", readonly=True, help="Not signed, or the signature does not match."
    )
    duplicates = fields.Integer(
        readonly=True, help="Repeated deliveries of a known event, counted where it first came."
    )
    gaps = fields.Integer(
        readonly=True, help="Changes that a poll found before, or without, any webhook."
    )
    late = fields.Integer(string="Gaps: Late Webhooks", readonly=True, help="A webhook came after all.")

    # === Durations, in seconds ===#
    wait_seconds = fields.Float(string="Waited (s)", readonly=True)
    run_seconds = fields.Float(string="Ran (s)", readonly=True)
    total_seconds = fields.Float(string="Took in All (s)", readonly=True)
    wait_buckets = fields.Json(readonly=True)
    run_buckets = fields.Json(readonly=True)
    total_buckets = fields.Json(readonly=True)

    def _selection_error_code(self):
        return self.env["sync.job"]._selection_error_code()

    # === Rows in and out of the database ===#

    def _fetch(self, columns, condition, params):
        """Return rows of this table as `[((values of columns..., key), measures)]`."""
        names = ", ".join([*columns, *KEY_COLUMNS, *VALUE_COLUMNS])
        self.env.cr.execute(f"SELECT {names} FROM {self._table} WHERE {condition}", params)  # pylint: disable=sql-injection
        return [self._row(row, len(columns)) for row in self.env.cr.fetchall()]

    @staticmethod
    def _row(row, extra):
        start = extra + len(KEY_COLUMNS)
        key = Key(*row[extra:start])
        counts, rest = row[start : start + len(COUNTS)], row[start + len(COUNTS) :]
        seconds, buckets = rest[: len(TIMES)], rest[len(TIMES) :]
        measures = Measures(
            {name: value or 0 for name, value in zip(COUNTS, counts)},
            {name: value or 0.0 for name, value in zip(TIMES, seconds)},
            {name: list(value or histogram.empty()) for name, value in zip(TIMES, buckets)},
        )
        return (*row[:extra], key), measures

    def _store(self, columns, rows):
        """Insert rows, or overwrite those that are there.

        :param columns: names of what identifies a row beside its key.
        :param rows: `[((values of columns..., key), measures)]`.
        """
        names = [*columns, *KEY_COLUMNS, *VALUE_COLUMNS]
        unique = ", ".join([*columns, *KEY_COLUMNS])
        updates = ", ".join(f"{name} = EXCLUDED.{name}" for name in VALUE_COLUMNS)
        self.env.cr.execute_values(
            # pylint: disable=sql-injection
            f"""INSERT INTO {self._table} ({", ".join(names)}) VALUES %s
                ON CONFLICT ({unique}) DO UPDATE SET {updates}""",
            [(*at, *key, *self._values(measures)) for (*at, key), measures in rows],
            template=f"({', '.join(['%s'] * len(names))})",
            page_size=500,
        )

    @staticmethod
    def _values(measures):
        return [
            *(measures.counts[name] for name in COUNTS),
            *(measures.seconds[name] for name in TIMES),
            *(json.dumps(measures.buckets[name]) for name in TIMES),
        ]
