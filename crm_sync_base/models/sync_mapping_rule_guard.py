from odoo import models

# The version is locked against moves while its rules are written: a review that was asked
# for in the meantime makes the writer start again, and then it is told.
_SQL_GUARD_RULE = """
    CREATE OR REPLACE FUNCTION sync_mapping_rule_guard() RETURNS trigger AS $$
    DECLARE
        mapping RECORD;
        ids integer[];
    BEGIN
        IF TG_OP = 'UPDATE' AND NOT EXISTS (
            SELECT 1 FROM unnest(TG_ARGV) AS name
             WHERE to_jsonb(OLD) -> name IS DISTINCT FROM to_jsonb(NEW) -> name) THEN
            RETURN NEW;
        END IF;
        ids := CASE TG_OP WHEN 'INSERT' THEN ARRAY[NEW.mapping_id]
                          WHEN 'DELETE' THEN ARRAY[OLD.mapping_id]
                          ELSE ARRAY[OLD.mapping_id, NEW.mapping_id] END;
        FOR mapping IN SELECT version, state FROM sync_mapping WHERE id = ANY(ids) FOR SHARE LOOP
            IF mapping.state <> 'draft' THEN
                RAISE EXCEPTION 'The rules of mapping version % stay as they are: it is no draft any more.',
                      mapping.version USING ERRCODE = 'check_violation', TABLE = 'sync_mapping_rule';
            END IF;
        END LOOP;
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END $$ LANGUAGE plpgsql;
"""


class SyncMappingRuleGuard(models.Model):
    """The database's own watch over rules of versions that are no drafts any more."""

    _inherit = "sync.mapping.rule"

    def init(self):
        """Install the trigger that refuses changes of rules outside drafts.

        It compares columns by their names and does not depend on them: Odoo drops the
        columns of a removed module with all that depends on them. A column that an
        update adds is filled before this runs, so existing versions do not refuse it.
        """
        names = sorted(
            name
            for name, field in self._fields.items()
            if field.store and field.column_type and not field.compute
            and name not in ("id", "create_uid", "create_date", "write_uid", "write_date")
        )
        self.env.cr.execute(_SQL_GUARD_RULE)
        self.env.cr.execute("DROP TRIGGER IF EXISTS sync_mapping_rule_guard ON sync_mapping_rule")
        self.env.cr.execute(
            "CREATE TRIGGER sync_mapping_rule_guard BEFORE INSERT OR UPDATE OR DELETE ON sync_mapping_rule"
            f" FOR EACH ROW EXECUTE FUNCTION sync_mapping_rule_guard({', '.join(['%s'] * len(names))})",  # pylint: disable=sql-injection
            names,
        )
