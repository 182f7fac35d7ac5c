from odoo import models

# The moves of `lib.lifecycle.MOVES`, and four eyes: neither who wrote the version nor who
# wrote one of its rules is its reviewer.
_SQL_GUARD_VERSION = """
    CREATE OR REPLACE FUNCTION sync_mapping_guard() RETURNS trigger AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            IF NEW.state <> 'draft' THEN
                RAISE EXCEPTION 'A mapping version begins as a draft.'
                      USING ERRCODE = 'check_violation', TABLE = 'sync_mapping';
            END IF;
            RETURN NEW;
        END IF;
        IF TG_OP = 'DELETE' THEN
            -- With its flow a version may go: by then the flow's row is gone.
            IF OLD.state IN ('active', 'retired') AND EXISTS (SELECT 1 FROM sync_flow WHERE id = OLD.flow_id) THEN
                RAISE EXCEPTION 'Mapping version % was in use and is kept.', OLD.version
                      USING ERRCODE = 'check_violation', TABLE = 'sync_mapping';
            END IF;
            RETURN OLD;
        END IF;
        IF OLD.state <> 'draft' AND (OLD.flow_id, OLD.version, OLD.note, OLD.shipped)
                     IS DISTINCT FROM (NEW.flow_id, NEW.version, NEW.note, NEW.shipped) THEN
            RAISE EXCEPTION 'Mapping version % is no draft any more and stays as it is.', OLD.version
                  USING ERRCODE = 'check_violation', TABLE = 'sync_mapping';
        END IF;
        IF OLD.reviewer_id IS DISTINCT FROM NEW.reviewer_id
           AND NOT (OLD.state = 'review' AND NEW.state = 'active') THEN
            RAISE EXCEPTION 'Who reviewed mapping version % stays as it is.', OLD.version
                  USING ERRCODE = 'check_violation', TABLE = 'sync_mapping';
        END IF;
        IF OLD.state = NEW.state THEN
            RETURN NEW;
        END IF;
        IF (OLD.state, NEW.state) NOT IN (('draft', 'review'), ('draft', 'active'), ('review', 'draft'),
               ('review', 'active'), ('active', 'retired'), ('retired', 'active')) THEN
            RAISE EXCEPTION 'Mapping version % cannot go from % to %.', OLD.version, OLD.state, NEW.state
                  USING ERRCODE = 'check_violation', TABLE = 'sync_mapping';
        END IF;
        IF NEW.state = 'active' AND NOT COALESCE(NEW.shipped, FALSE) THEN
            IF NEW.reviewer_id IS NULL OR OLD.state = 'draft' THEN
                RAISE EXCEPTION 'Mapping version % has not been reviewed.', OLD.version
                      USING ERRCODE = 'check_violation', TABLE = 'sync_mapping';
            END IF;
        END IF;
        IF NEW.state = 'active' AND NEW.reviewer_id IS NOT NULL AND (
               NEW.reviewer_id = NEW.create_uid
            OR EXISTS (SELECT 1 FROM sync_mapping_author_rel a
                        WHERE a.mapping_id = NEW.id AND a.user_id = NEW.reviewer_id)
            OR EXISTS (SELECT 1 FROM sync_mapping_rule r
                        WHERE r.mapping_id = NEW.id AND NEW.reviewer_id IN (r.create_uid, r.write_uid))) THEN
            RAISE EXCEPTION 'Mapping version % was written by its reviewer.', OLD.version
                  USING ERRCODE = 'check_violation', TABLE = 'sync_mapping';
        END IF;
        RETURN NEW;
    END $$ LANGUAGE plpgsql;

    DROP TRIGGER IF EXISTS sync_mapping_guard ON sync_mapping;
    CREATE TRIGGER sync_mapping_guard BEFORE INSERT OR UPDATE OR DELETE ON sync_mapping
        FOR EACH ROW EXECUTE FUNCTION sync_mapping_guard();
"""


class SyncMappingGuard(models.Model):
    """The database's own watch over the life cycle, whoever writes and by whatever way."""

    _inherit = "sync.mapping"

    def init(self):
        """Install the trigger that refuses every unlawful move, four eyes included."""
        self.env.cr.execute(_SQL_GUARD_VERSION)
