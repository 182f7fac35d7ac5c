from odoo import _, api, models

from ..lib import lines
from .sync_change import NOTHING


class SyncChangeLines(models.Model):
    """Lines of a document in a change, for people: which line, which field, before and after."""

    _inherit = "sync.change"

    @api.model
    def _line_label(self, row, named=True):
        """Return what people call a line: its place and its name.

        :param row: see `lib.lines`.
        :param named: whether the reader may see its name.
        """
        name = row["name"] if named else ""
        return _("Line %(number)s %(name)s", number=row["number"], name=name).strip()

    def _line_rows(self, target, pair, names, masked):
        """Return the rows of a diff for a change of lines: a changed field each, a line that came or went each."""
        before, after = ({lines.identity(one): one for one in rows} for rows in pair)
        found = []
        for key in sorted({**before, **after}, key=lambda key: ({**before, **after}[key]["number"], str(key))):
            old, new = before.get(key), after.get(key)
            label = self._line_label(old or new, named=not masked)
            if old and new:
                found += self._changed_line_rows(target, label, old, new, names, masked)
            else:
                text = self._line_text(target, old or new, names, masked)
                shown = (text, NOTHING) if old else (NOTHING, text)
                found.append(self._diff_row(target, label, shown))
        return found

    def _changed_line_rows(self, target, label, old, new, names, masked):
        for name in self._in_order(target, new["values"]):
            field = self._line_field(target, name)
            what = field._description_string(self.env) if field else name
            before, after = old["values"].get(name), new["values"][name]
            if before == after:
                continue  # it is only written again
            shown = self._shown(name, (before, after), names, masked, field)
            yield self._diff_row(f"{target}.{name}", f"{label}: {what}", (shown["before"], shown["after"]))

    @staticmethod
    def _diff_row(field, label, shown):
        return {"field": field, "label": label, "before": shown[0], "after": shown[1]}

    def _line_text(self, target, row, names, masked):
        """Return all that a line said, on one line."""
        texts = []
        for name in self._in_order(target, row["values"]):
            field = self._line_field(target, name)
            shown = self._shown(name, (row["values"][name], None), names, masked, field)["before"]
            if shown != NOTHING:
                texts.append(f"{field._description_string(self.env) if field else name}: {shown}")
        return ", ".join(texts)

    def _line_model(self, target):
        """Return the model of the lines that a field holds, or None."""
        field = self._field(target)
        return self.env.get(field.comodel_name) if field is not None and field.comodel_name else None

    def _line_field(self, target, name):
        model = self._line_model(target)
        return model._fields.get(name) if model is not None else None

    def _in_order(self, target, names):
        """Return the names of fields that mean something to people, in the order of the model."""
        model = self._line_model(target)
        if model is None:
            return sorted(names)
        place = {name: number for number, name in enumerate(model._fields)}
        shown = set(names).difference(model._sync_unshown_fields())
        return sorted(shown, key=lambda name: (place.get(name, len(place)), name))

    def _line_values(self, target, pair):
        """Yield (field, value) of everything that a change of lines tells."""
        for rows in pair:
            for row in rows:
                for name, value in row["values"].items():
                    yield self._line_field(target, name), value
