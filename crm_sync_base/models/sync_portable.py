import re

from odoo import _, api, fields, models
from odoo.fields import Domain
from odoo.models import MAGIC_COLUMNS

SCALARS = {"boolean", "char", "date", "datetime", "float", "html", "integer", "monetary", "selection", "text"}
LINKS = {"many2one", "many2many", "reference"}

#: people and companies are never carried: they belong to one database
DROPPED = {"res.users", "res.partner", "res.company", "ir.attachment"}

#: fields that say where a record stands here, not what it is
LOCAL = {
    "sync.flow": {"code", "connection_id", "mode", "paused"},
    "sync.mapping.rule": {"mapping_id", "parent_id"},
    "sync.flow.step": {"flow_id"},
    "sync.match.step": {"flow_id"},
    "sync.readiness.rule": {"flow_id", "name"},
    "sync.value.map": {"connection_id", "name"},
    "sync.value.map.line": {"map_id"},
}


class Unknown(Exception):
    """A value that means nothing here; the text is for people."""


class SyncPortable(models.AbstractModel):
    """Says what a record is in words that mean the same in another database.

    Ids never leave: a link is carried as the model and name of its record, and as its
    external id where it has one that is the same everywhere.
    """

    _name = "sync.portable"
    _description = "Portable Configuration"

    @api.model
    def _names(self, model):
        """Return the names of the fields that are carried: what a person sets, and only that."""
        local = {*MAGIC_COLUMNS, *LOCAL.get(model._name, ())}
        return [
            name
            for name, field in sorted(model._fields.items())
            if field.store and field.copy and not (field.compute and field.readonly)
            and field.type in SCALARS | LINKS
            and name not in local
            and field.comodel_name not in DROPPED
        ]

    # === Out ===#

    @api.model
    def _values(self, record):
        """Return `{field: JSON-like value}` of a record."""
        record = record.with_context(lang=None)
        return {name: self._value(record, name) for name in self._names(record)}

    def _value(self, record, name):
        field, value = record._fields[name], record[name]
        if field.type == "many2many":
            return sorted((self._ref(one, record) for one in value), key=lambda ref: ref["name"])
        if field.type in LINKS:
            return self._ref(value, record) if value else None
        if field.type in ("date", "datetime"):
            return field.to_string(value) or None
        if field.type in ("char", "text", "html", "selection"):
            return str(value) if value else None
        return value

    def _ref(self, target, record):
        """Return the name of a linked record, for another database to find it by."""
        if target._name == "ir.model":
            return {"model": "ir.model", "name": target.model}
        if target._name == "ir.model.fields":
            return {"model": "ir.model.fields", "name": f"{target.model}.{target.name}"}
        if target._name == "sync.connection":
            return {"model": target._name, "name": self._connection_key(target)}
        target = target.sudo()
        ref = {"model": target._name, "name": target[target._rec_name] or target.display_name}
        xmlid = target.get_external_id().get(target.id)
        if xmlid and not xmlid.startswith("__"):
            ref["xmlid"] = self._neutral(xmlid, target)
        return ref

    @api.model
    def _connection_key(self, connection):
        """Return what a package calls a connection.

        The context's `package_keys` (`{id: key}`) say it of those that play the part of
        one of a package that comes from elsewhere.
        """
        known = self.env.context.get("package_keys") or {}
        return known.get(connection.id) or f"{connection.provider}/{connection.name}"

    def _neutral(self, xmlid, target):
        """Return an external id without the company's id that charts of accounts put into it."""
        company = "company_id" in target._fields and target.company_id
        if not company:
            return xmlid
        return re.sub(rf"\.{company.id}_", ".{company}_", xmlid, count=1)

    # === In ===#

    @api.model
    def _vals(self, model, values, place):
        """Return what to write, and why some of it cannot be.

        :param values: as `_values` gave them.
        :param place: `{"company": record, "connection": record or empty, "connections":
            {key: record}, "coming": {(model, name)} of what the package itself brings}`.
        :return: (values for `write`, [problem as a sentence]).
        """
        vals, problems = {}, []
        known = set(self._names(model))
        for name, value in values.items():
            if name not in known:
                problems.append(
                    _("This suite has no field “%(name)s” on %(model)s: update it first.",
                      name=name, model=model._description)
                )
                continue
            try:
                vals[name] = self._incoming(model._fields[name], value, place)
            except Unknown as missing:
                problems.append(
                    f"{model._fields[name]._description_string(self.env)}: {missing.args[0]}"
                )
        return vals, problems

    def _incoming(self, field, value, place):
        """Return one value for `write`.

        :raises Unknown: with a sentence, when it means nothing here.
        """
        if field.type in SCALARS and isinstance(value, (dict, list)):
            raise Unknown(_("the package is damaged"))
        if field.type == "selection" and value is not None:
            allowed = dict(field._description_selection(self.env))
            if value not in allowed:
                raise Unknown(
                    _("“%s” is not known here: a module is missing, or this suite is older.", value)
                )
        if field.type == "many2many":
            return [fields.Command.set([self._find(ref, place).id for ref in value or ()])]
        if field.type == "many2one":
            return self._find(value, place).id if value else False
        if field.type == "reference":
            found = self._find(value, place) if value else None
            return f"{found._name},{found.id}" if found else False
        return False if value is None else value

    def _find(self, ref, place):
        """Return the record that a name means here.

        What the package itself will bring is an empty recordset until then.

        :raises Unknown: there is none, or several.
        """
        if not isinstance(ref, dict) or not all(isinstance(ref.get(part), str) for part in ("name", "model")):
            raise Unknown(_("the package is damaged"))
        name, model_name = ref["name"], ref["model"]
        if model_name == "ir.model.fields":
            model, _dot, field = name.rpartition(".")
            found = self.env["ir.model.fields"].sudo().search([("model", "=", model), ("name", "=", field)])
            return self._one(found, _("the field"), name)
        if model_name == "ir.model":
            return self._one(self.env["ir.model"].sudo().search([("model", "=", name)]), _("the model"), name)
        if model_name == "sync.connection":
            if name not in place["connections"]:
                raise Unknown(_("“%s” is not part of the package: export its connection, too", name))
            return place["connections"][name]
        if model_name not in self.env:
            raise Unknown(_("the module of “%s” is not installed here", model_name))
        Model = self.env[model_name].sudo()
        if model_name == "sync.value.map":
            found = Model.search([("connection_id", "=", place["connection"].id), ("name", "=", name)])
            if not found and (model_name, name) in place["coming"]:
                return Model
            return self._one(found, Model._description, name)
        return self._by_xmlid(Model, ref, place) or self._one(
            Model.search([(Model._rec_name, "=", name), *self._usable(Model, place)]), Model._description, name
        )

    def _usable(self, model, place):
        """Return the domain of the records that a company may use."""
        if "company_id" in model._fields or "company_ids" in model._fields:
            return list(Domain(model._check_company_domain(place["company"])))
        return []

    def _by_xmlid(self, model, ref, place):
        xmlid = ref.get("xmlid", "").replace("{company}", str(place["company"].id))
        found = xmlid and self.env.ref(xmlid, raise_if_not_found=False)
        if not found or found._name != model._name:
            return None
        return found.sudo().filtered_domain(self._usable(model, place)) or None

    def _one(self, found, what, name):
        if len(found) == 1:
            return found
        if found:
            raise Unknown(_("%(count)s records of %(what)s are called “%(name)s”: rename all but one",
                                count=len(found), what=what, name=name))
        raise Unknown(_("there is no “%(name)s” (%(what)s) here: create it, then check again",
                            what=what, name=name))
