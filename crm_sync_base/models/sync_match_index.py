import hashlib

from odoo import _, api, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL

from ..lib import matching

LIMIT = 50  # records that one key may propose; a key that fits more says nothing

#: what may stand between the words of a name, as a class of PostgreSQL's regular expressions
_BETWEEN = r"[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f\uff01-\uff0f]+"
#: collations that know small letters of all scripts, whatever the database was created with
_COLLATIONS = ("pg_c_utf8", "und-x-icu")


class SyncMatchIndex(models.AbstractModel):
    """How the database proposes candidates: by keys that are indexed, never by comparing all.

    Keys are expressions over a record's own columns, so they are true at any moment and
    nobody has to keep them up to date. Both sides go through the same expression.
    """

    _name = "sync.match.index"
    _description = "Keys of Matching"

    def init(self):
        """Create the functions, and the indexes of what is matched out of the box."""
        self._create_functions()
        for rung in matching.PARTNER_LADDER:
            self._ensure(self.env["res.partner"], rung)

    # === Keys ===#

    @api.model
    def _create_functions(self):
        """Create `crm_sync_name_keys(name, area)`, or replace it by what it should be.

        It uses nothing but PostgreSQL's own functions: while a dump is restored, others
        could not be found. A name's keys are, within its postcode, the first four and the
        last three letters of each word, so that a typo leaves some of them; the whole name;
        and where there is no postcode, how it begins. Numbers are part of each: names with
        other numbers are other names.
        """
        self.env.cr.execute(
            "SELECT collname FROM pg_collation WHERE collname = ANY(%s)", [list(_COLLATIONS)]
        )
        known = {row[0] for row in self.env.cr.fetchall()}
        best = next((name for name in _COLLATIONS if name in known), None)
        collate = f' COLLATE "{best}"' if best else ""
        words = ",".join(matching.IGNORED_WORDS)
        self.env.cr.execute(  # pylint: disable=sql-injection
            _SQL_NAME_KEYS.format(collate=collate, between=_BETWEEN, words=words)
        )

    @api.model
    def _expressions(self, rung, alias="t"):
        """Return the SQL expressions of a rung's keys, over the columns of `alias`.

        :return: `[(expression, index method)]`; none for what is looked up otherwise.
        """
        column = f'{alias}."{rung.field}"'
        second = f'{alias}."{rung.second}"' if rung.second else "NULL::text"
        email = f"lower(btrim(regexp_replace({column}, '^.*<([^>]*)>.*$', '\\1')))"
        host = f"regexp_replace(lower(btrim({column})), '^([a-z][a-z0-9+.-]*://)?(www[.])?([^/:?#]*).*$', '\\3')"
        if rung.kind == matching.TAX:
            return [(f"regexp_replace(upper({column}), '[^A-Z0-9]', '', 'g')", "btree")]
        if rung.kind == matching.EMAIL:
            return [(email, "btree")]
        if rung.kind == matching.DOMAIN:
            mailbox = f"rtrim(split_part(lower(btrim({second})), '@', 2), '> ')"
            return [(host, "btree"), *([(mailbox, "btree")] if rung.second else [])]
        if rung.kind == matching.NAME:
            return [(f"crm_sync_name_keys({column}, {second})", "gin")]
        return []

    # === Indexes ===#

    @api.model
    def _check(self, model, rung):
        """Refuse fields that the database cannot compare.

        :raises ValidationError: naming the field.
        """
        for name in filter(None, (rung.field, rung.second)):
            field = model._fields.get(name)
            usable = field is not None and field.store and field.column_type and not field.translate
            if not usable or field.type not in ("char", "text") or field.company_dependent or field.inherited:
                raise ValidationError(
                    _(
                        "%(model)s cannot be matched by %(field)s: choose a text field of its own that is "
                        "stored, not translated and the same for all companies.",
                        model=model._description,
                        field=name,
                    )
                )

    @api.model
    def _ensure(self, model, rung):
        """Create the indexes of a rung; one whose function has changed since is made anew."""
        for expression, method in self._expressions(rung, alias=model._table):
            version = _digest(_SQL_NAME_KEYS, *matching.IGNORED_WORDS) if method == "gin" else "0"
            family = f"sync_match_{_digest(model._table, method, expression)}"
            name = f"{family}_{version}"
            self.env.cr.execute(
                "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema AND starts_with(indexname, %s)",
                [family],
            )
            known = {row[0] for row in self.env.cr.fetchall()}
            for old in known - {name}:
                self.env.cr.execute(SQL("DROP INDEX %s", SQL.identifier(old)))
            if name not in known:
                self._create_index(model, name, expression, method)

    @api.model
    def _create_index(self, model, name, expression, method):
        self.env.cr.execute(
            SQL(
                "CREATE INDEX %s ON %s USING %s ((%s)) %s",
                SQL.identifier(name),
                SQL.identifier(model._table),
                SQL(method),
                SQL(expression),
                # Else every look-up would read what was written since the last vacuum.
                SQL("WITH (fastupdate = off)" if method == "gin" else ""),
            )
        )

    # === Candidates ===#

    @api.model
    def _propose(self, model, company, rung, entries):
        """Return which records share a key of a rung with which entry (one query a key).

        :param model: empty recordset of the records, with the reader's environment.
        :param entries: `{number: lib.matching.Entry}`.
        :return: `{number: ids}`; at most `LIMIT` for each key.
        """
        found = {}
        for keys, (expression, method) in zip(
            self._keys(rung, entries), self._expressions(rung), strict=True
        ):
            if not keys:
                continue
            rows = [
                (number, first, second, entries[number].role, _record_id(entries[number].parent))
                for number, first, second in keys
            ]
            query = self._query(model, rung, expression, method == "gin")
            self.env.cr.execute(query, [*map(list, zip(*rows)), company.id, LIMIT])
            for number, ids in self.env.cr.fetchall():
                found.setdefault(number, set()).update(ids)
        return found

    def _query(self, model, rung, expression, many):
        """Return the query that proposes records; `k` is the row of what is looked for.

        :param many: whether the expression gives several keys, of which one must be shared.
        """
        company = "TRUE"
        if "company_id" in model._fields and model._fields["company_id"].store:
            company = "(t.company_id IS NULL OR t.company_id = w.company)"
        key = "crm_sync_name_keys(u.first, u.second)" if many else "u.first"
        # OFFSET keeps the keys from being worked out anew wherever they are compared.
        return f"""
            WITH w AS (SELECT %s::int[] AS numbers, %s::text[] AS firsts, %s::text[] AS seconds,
                              %s::text[] AS roles, %s::int[] AS parents, %s::int AS company)
            SELECT k.number, array_agg(c.id)
              FROM w CROSS JOIN LATERAL (
                   SELECT u.number, {key} AS key, u.role, u.parent
                     FROM unnest(w.numbers, w.firsts, w.seconds, w.roles, w.parents)
                       AS u (number, first, second, role, parent) OFFSET 0) k
             CROSS JOIN LATERAL (
                   SELECT t.id FROM "{model._table}" t
                    WHERE {expression} {"&&" if many else "="} k.key
                      AND {company} AND ({model._sync_match_scope(rung.kind)})
                    LIMIT %s) c
             GROUP BY k.number
        """

    @api.model
    def _keys(self, rung, entries):
        """Return for each expression of a rung `[(number, key, second part of the key)]`."""
        pairs = []
        others = []
        for number, entry in entries.items():
            value = entry.text(rung.field)
            if rung.kind == matching.TAX:
                pairs += [(number, each, None) for each in matching.tax_ids(value, entry.country_code)]
            elif rung.kind == matching.EMAIL and matching.email(value):
                pairs.append((number, matching.email(value), None))
            elif rung.kind == matching.DOMAIN and matching.domain_of(rung, entry):
                pairs.append((number, matching.domain_of(rung, entry), None))
                others.append((number, matching.domain_of(rung, entry), None))
            elif rung.kind == matching.NAME and value:
                pairs.append((number, value, entry.text(rung.second) if rung.second else None))
        return [pairs, others] if rung.kind == matching.DOMAIN and rung.second else [pairs]


def _digest(*parts):
    return hashlib.blake2b("|".join(parts).encode(), digest_size=6).hexdigest()


def _record_id(parent):
    """Return the id of a parent that is in Odoo already."""
    return parent if isinstance(parent, int) else None


# A name in small letters without accents, its words, and its postcode; then its keys. It runs
# whenever a record of a matched table is written, so it is made of what PostgreSQL does fast:
# plain expressions, a literal list (a declared one is parsed in each call, a regular expression
# of all its words is slow), and letters as in "C" once the capital ones are gone.
_SQL_NAME_KEYS = r"""
CREATE OR REPLACE FUNCTION crm_sync_name_keys(name text, area text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $body$
DECLARE
    core text := replace(lower(normalize(name, NFKD){collate}), 'ß', 'ss') COLLATE "C";
    place text := lower(normalize(coalesce(area, ''), NFKD){collate}) COLLATE "C";
    words text[];
    said text[] := '{{}}';
    mark text;
    word text;
    keys text[];
BEGIN
    place := regexp_replace(place, '{between}', '', 'g');
    core := regexp_replace(core, '[\u0300-\u036f]', '', 'g');
    core := regexp_replace(regexp_replace(core, '\m(\w)\.(?=\w\M)', '\1', 'g'), '{between}', ' ', 'g');
    words := string_to_array(btrim(core), ' ');
    FOREACH word IN ARRAY coalesce(words, said) LOOP
        IF word <> ALL ('{{{words}}}'::text[]) THEN
            said := said || word;
        END IF;
    END LOOP;
    IF cardinality(said) > 0 THEN
        words := said;
    END IF;
    core := array_to_string(words, '');
    IF core IS NULL OR core = '' THEN
        RETURN NULL;
    END IF;
    mark := place || '|' || regexp_replace(core, '[^0-9]+', '', 'g');
    keys := ARRAY['=' || core];
    IF place = '' THEN
        RETURN keys || ('^' || mark || left(core, 6));
    END IF;
    FOREACH word IN ARRAY words LOOP
        IF length(word) > 1 THEN
            keys := keys || (mark || '<' || left(word, 4));
        END IF;
        IF length(word) > 3 THEN
            keys := keys || (mark || '>' || right(word, 3));
        END IF;
    END LOOP;
    RETURN keys;
END
$body$
"""
