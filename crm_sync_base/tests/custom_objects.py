"""What every CRM connector must do with an object that no code knows; mixed into a `SandboxCase`.

Both sides are made up here: a custom object with custom fields at the provider, and a
model with fields of its own in Odoo. Between them is nothing but a mapping.
"""

from datetime import date

from odoo import Command


class CustomObjects:
    """Describe, poll, read and push a custom object."""

    #: remote field of each thing that a machine has: serial, price, sold_on, active, owner
    paths = {}
    #: remote object of the owner
    owner_object = ""

    # === What each connector tells ===#

    @classmethod
    def make_type(cls):
        """Make the custom object at the provider; return the name that flows use."""
        raise NotImplementedError

    def make_owner(self, name):
        """Make a customer at the provider; return its id."""
        raise NotImplementedError

    def make_machine(self, serial, price, sold_on, active, owner):
        """Make a record of the custom object, linked to a customer; return its id."""
        raise NotImplementedError

    def change_machine(self, external_id, **values):
        """Change a record as a person would; keys as in `paths`."""
        raise NotImplementedError

    def machines(self):
        """Return `{id: {key of paths: value}}` of all records at the provider."""
        raise NotImplementedError

    def drop_field(self, key):
        """Delete a custom field at the provider."""
        raise NotImplementedError

    # === Set-up ===#

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.remote_object = cls.make_type()
        cls.model = cls.env["ir.model"].create(
            {
                "name": "Machine",
                "model": "x_machine",
                "field_id": [
                    Command.create({"name": name, "ttype": kind, "field_description": label, **more})
                    for name, kind, label, more in (
                        ("x_name", "char", "Serial", {}),
                        ("x_price", "float", "Price", {}),
                        ("x_sold_on", "date", "Sold On", {}),
                        ("x_active_there", "boolean", "In Use", {}),
                        ("x_owner_id", "many2one", "Owner", {"relation": "res.partner"}),
                    )
                ],
            }
        )
        cls.owners = cls._flow(
            "owners", "res.partner", cls.owner_object,
            [{"path": cls.owner_name, "field": "name", "required": True}], create_policy="on_demand",
        )

    #: remote field with the name of an owner
    owner_name = "Name"

    @classmethod
    def _flow(cls, code, model, remote_object, rules, **vals):
        template = {
            "code": code, "name": code, "model": model, "remote_object": remote_object, "rules": rules,
            "mode": "live", "poll": False, "direction": "inbound", "handler": "inbound", **vals,
        }
        return cls.env["sync.flow.template"]._create_flow(cls.connection, template)

    def inbound(self):
        """Return a live flow that brings machines into Odoo."""
        return self._flow("machines", "x_machine", self.remote_object, [
            {"path": self.paths["serial"], "field": "x_name", "required": True},
            {"path": self.paths["price"], "field": "x_price", "transform": "number"},
            {"path": self.paths["sold_on"], "field": "x_sold_on", "transform": "date"},
            {"path": self.paths["active"], "field": "x_active_there", "transform": "boolean"},
            {"path": self.paths["owner"], "field": "x_owner_id", "transform": "reference",
             "argument": self.owner_object},
        ])

    def outbound(self):
        """Return a live flow that tells the provider of machines."""
        return self._flow("machines_out", "x_machine", self.remote_object, [
            {"path": self.paths["serial"], "field": "x_name", "direction": "outbound", "required": True},
            {"path": self.paths["price"], "field": "x_price", "transform": "number", "direction": "outbound"},
        ], direction="outbound", handler="outbound")

    # === Tests ===#

    def test_custom_objects_are_listed(self):
        listed = {one.name: one for one in self.connector._describe_objects(self.connection)}
        self.assertTrue(listed[self.remote_object].custom)
        self.assertEqual(listed[self.remote_object].label, "Machine")
        self.assertTrue(listed[self.remote_object].can_push)
        self.assertFalse(listed[self.owner_object].custom)

    def test_their_fields_are_described(self):
        described = {one.name: one for one in self.connector._describe(self.connection, self.remote_object)}
        kinds = {key: described[path].kind for key, path in self.paths.items()}
        self.assertEqual(
            kinds,
            {"serial": "text", "price": "number", "sold_on": "date", "active": "boolean", "owner": "reference"},
        )
        self.assertTrue(described[self.paths["serial"]].unique)
        self.assertTrue(described[self.paths["serial"]].custom)
        self.assertEqual(described[self.paths["owner"]].references, self.owner_object)

    def test_declared_objects_are_listed_too(self):
        listed = {one.name for one in self.connector._describe_objects(self.connection)}
        self.assertLessEqual({one.name for one in self.connector._objects()}, listed)

    def test_they_travel_into_odoo(self):
        owner = self.make_owner("Acme Machines")
        first = self.make_machine("S-1", "1999.90", "2026-05-31", True, owner)
        flow = self.inbound()
        flow.action_poll_now()
        self.run_lane()
        record = self.env["x_machine"].search([("x_name", "=", "S-1")])
        self.assertEqual(record.x_price, 1999.9)
        self.assertEqual(record.x_sold_on, date(2026, 5, 31))
        self.assertTrue(record.x_active_there)
        self.assertEqual(record.x_owner_id.name, "Acme Machines", "brought along by its own flow")
        self.change_machine(first, price="2100.00", active=False)
        self.env["sync.job"]._enqueue_documents(self.connection, self.remote_object, [first])
        self.run_lane()
        self.assertEqual((record.x_price, record.x_active_there), (2100.0, False))
        self.assertEqual(self.env["x_machine"].search_count([]), 1)

    def test_they_are_called_by_their_name(self):
        first = self.make_machine("S-9", "1", "2026-05-31", True, self.make_owner("Nine"))
        (document,) = self.connector._read(self.connection, self.remote_object, [first])
        self.assertTrue(self.connector._label(self.remote_object, document))

    def test_a_deleted_field_stops_the_flow(self):
        flow = self.inbound()
        watch = self.env["sync.schema.watch"]
        watch._read_connection(self.connection)
        self.assertEqual(flow._remote().label, "Machine")
        self.drop_field("price")
        watch._read_connection(self.connection)
        (change,) = self.env["sync.schema.change"].search([("flow_ids", "in", flow.ids)])
        self.assertEqual((change.kind, change.field_name, change.severity), ("removed", self.paths["price"], "wrong"))
        self.assertTrue(self.env["sync.hold"]._schema_hold_of(flow))

    def test_records_of_odoo_are_created_and_updated_there(self):
        flow = self.outbound()
        record = self.env["x_machine"].create({"x_name": "O-1", "x_price": 10.5})
        self.run_lane()
        job = self.env["sync.job"].search([("flow_id", "=", flow.id)])
        self.assertEqual(job.state, "done", job.error_message)
        ((external_id, values),) = self.machines().items()
        self.assertEqual((values["serial"], float(values["price"])), ("O-1", 10.5))
        record.x_price = 12.25
        self.env.flush_all()
        self.run_lane()
        self.assertEqual(float(self.machines()[external_id]["price"]), 12.25)

    def test_a_lost_answer_creates_nothing_twice(self):
        flow = self.outbound()
        self.env["x_machine"].create({"x_name": "O-2", "x_price": 1})
        self.fault("drop_after", path_regex=self.write_path)
        self.run_lane()
        job = self.env["sync.job"].search([("flow_id", "=", flow.id)])
        self.assertEqual(job.state, "pending", "the answer was lost: nobody knows")
        self.assertEqual(len(self.machines()), 1)
        job.eta = job.create_date
        self.run_lane()
        self.assertEqual(job.state, "done", job.error_message)
        self.assertEqual(len(self.machines()), 1)

    def test_a_new_record_needs_a_unique_value(self):
        flow = self._flow("machines_out", "x_machine", self.remote_object, [
            {"path": self.paths["price"], "field": "x_price", "transform": "number", "direction": "outbound"},
        ], direction="outbound", handler="outbound")
        self.env["x_machine"].create({"x_name": "O-3", "x_price": 1})
        self.run_lane()
        job = self.env["sync.job"].search([("flow_id", "=", flow.id)])
        self.assertEqual((job.state, job.error_code), ("failed", "not_ready"))
        self.assertIn("twice", job.error_message)
        self.assertIn(self.paths["serial"], job.error_hint)
        self.assertFalse(self.machines())
        self.assertTrue(self.connector._creates_by_key(self.remote_object), "the mapping editor says so before")

    #: regular expression of the paths that create records
    write_path = ""
