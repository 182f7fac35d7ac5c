from odoo.addons.crm_sync_base.tests.custom_objects import CustomObjects
from odoo.tests import tagged

from .common import SalesforceCase


@tagged("post_install", "-at_install")
class TestSalesforceCustomObjects(CustomObjects, SalesforceCase):
    paths = {
        "serial": "Serial__c", "price": "Price__c", "sold_on": "Sold_On__c", "active": "In_Use__c", "owner": "Owner__c",
    }
    owner_object = "Account"
    write_path = "composite/sobjects"

    @classmethod
    def make_type(cls):
        """Make the custom object with its fields."""
        cls.admin.post("/salesforce/custom-objects", {"name": "Machine__c", "label": "Machine", "fields": [
            {"name": "Serial__c", "type": "string", "external_id": True, "unique": True},
            {"name": "Price__c", "type": "currency"},
            {"name": "Sold_On__c", "type": "date"},
            {"name": "In_Use__c", "type": "boolean"},
            {"name": "Owner__c", "type": "reference", "reference_to": ["Account"], "child": "Machines__r"},
        ]})
        return "Machine__c"

    def make_owner(self, name):
        """Make an account."""
        return self.admin.post("/salesforce/records/Account", {"Name": name})["Id"]

    def make_machine(self, serial, price, sold_on, active, owner):
        """Make a machine as a person would."""
        return self.admin.post("/salesforce/records/Machine__c", {
            "Name": f"Machine {serial}", "Serial__c": serial, "Price__c": float(price), "Sold_On__c": sold_on,
            "In_Use__c": active, "Owner__c": owner})["Id"]

    def change_machine(self, external_id, **values):
        """Change a machine as a person would."""
        changes = {self.paths[key]: float(value) if key == "price" else value for key, value in values.items()}
        self.admin.request("PATCH", f"/salesforce/records/Machine__c/{external_id}", changes)

    def machines(self):
        """Return all machines."""
        query = "SELECT Id, Serial__c, Price__c FROM Machine__c"
        rows = self.connector._client(self.connection).query_all(query)
        return {row["Id"]: {"serial": row["Serial__c"], "price": row["Price__c"]} for row in rows}

    def drop_field(self, key):
        """Delete a custom field."""
        self.admin.delete(f"/salesforce/custom-fields/Machine__c/{self.paths[key]}")
        again = {"object": "Machine__c", "name": self.paths[key], "type": "currency"}
        self.addCleanup(self.admin.post, "/salesforce/custom-fields", again)

    def setUp(self):
        super().setUp()
        for external_id in self.machines():
            self.admin.delete(f"/salesforce/records/Machine__c/{external_id}")

    # === What only Salesforce has ===#

    def test_nothing_is_created_without_an_external_id(self):
        flow = self._flow("keyless", "x_machine", self.remote_object, [
            {"path": "Price__c", "field": "x_price", "transform": "number", "direction": "outbound"},
        ], direction="outbound", handler="outbound")
        self.env["x_machine"].create({"x_name": "K", "x_price": 1})
        self.run_lane()
        job = self.env["sync.job"].search([("flow_id", "=", flow.id)])
        self.assertEqual(job.state, "failed")
        self.assertIn("External ID", job.error_message)
        self.assertIn("Serial__c", job.error_hint)
        self.assertFalse(self.machines())

    def test_paths_through_a_custom_relationship_are_read(self):
        first = self.make_machine("P-1", "1", "2026-05-31", True, self.make_owner("Path Owner"))
        self._flow("paths", "x_machine", self.remote_object, [{"path": "Owner__r.Name", "field": "x_name"}])
        (document,) = self.connector._read(self.connection, self.remote_object, [first])
        self.assertEqual(document.data["Owner__r"]["Name"], "Path Owner")
