from odoo.addons.crm_sync_base.tests.custom_objects import CustomObjects
from odoo.tests import tagged

from .common import HubspotCase


@tagged("post_install", "-at_install")
class TestHubspotCustomObjects(CustomObjects, HubspotCase):
    paths = {
        "serial": "serial", "price": "price", "sold_on": "sold_on", "active": "in_use",
        "owner": "associations.companies",
    }
    owner_object = "companies"
    owner_name = "name"
    write_path = "batch/(create|upsert)"

    @classmethod
    def make_type(cls):
        """Make the custom object with its properties, as an administrator would."""
        client = cls.connector._client(cls.connection)
        made = client._transport.call("POST", client._paths.schemas(), {
            "name": "machine", "labels": {"singular": "Machine", "plural": "Machines"},
            "primaryDisplayProperty": "serial", "requiredProperties": ["serial"],
            "properties": [
                {"name": "serial", "label": "Serial", "type": "string", "fieldType": "text", "hasUniqueValue": True},
                {"name": "price", "label": "Price", "type": "number", "fieldType": "number"},
                {"name": "sold_on", "label": "Sold On", "type": "date", "fieldType": "date"},
                {"name": "in_use", "label": "In Use", "type": "bool", "fieldType": "booleancheckbox"},
            ],
        })
        return made.body["objectTypeId"]

    def make_owner(self, name):
        """Make a company."""
        return self.admin.post("/hubspot/records/companies", {"properties": {"name": name}})["id"]

    def make_machine(self, serial, price, sold_on, active, owner):
        """Make a machine as a person would, and associate it with its owner."""
        machine = self.admin.post(f"/hubspot/records/{self.remote_object}", {"properties": {
            "serial": serial, "price": price, "sold_on": sold_on, "in_use": "true" if active else "false"}})["id"]
        self.admin.request("PUT", "/hubspot/associations", {
            "from": [self.remote_object, machine], "to": ["companies", owner]})
        return machine

    def change_machine(self, external_id, **values):
        """Change a machine as a person would."""
        texts = {self.paths[key]: str(value).lower() for key, value in values.items()}
        self.admin.request(
            "PATCH", f"/hubspot/records/{self.remote_object}/{external_id}", {"properties": texts}
        )

    def machines(self):
        """Return all machines."""
        client = self.connector._client(self.connection)
        ids = list(client.all_ids(self.remote_object))
        records = client.read(self.remote_object, ids, ["serial", "price"]) if ids else {}
        return {record_id: record["properties"] for record_id, record in records.items()}

    def drop_field(self, key):
        """Archive a property."""
        client = self.connector._client(self.connection)
        name = self.paths[key]
        client._transport.call("DELETE", client._paths.properties(self.remote_object, name))
        again = {"name": name, "label": "Price", "type": "number", "fieldType": "number",
                 "groupName": "machine_information"}
        self.addCleanup(client._transport.call, "POST", client._paths.properties(self.remote_object), again)

    def setUp(self):
        super().setUp()
        self.connector._client(self.connection).archive(self.remote_object, list(self.machines()))

    # === What only HubSpot has ===#

    def test_webhooks_name_it_as_flows_do(self):
        event = {
            **self.deal_event(77), "subscriptionType": "object.propertyChange", "objectTypeId": self.remote_object,
        }
        (note,) = self.connector._receive(self.connection, self.delivery([event])).notifications
        self.assertEqual(note.remote_object, self.remote_object)

    def test_an_unassociated_record_has_an_empty_link(self):
        machine = self.admin.post(f"/hubspot/records/{self.remote_object}", {"properties": {"serial": "lonely"}})["id"]
        self.inbound()
        (document,) = self.connector._read(self.connection, self.remote_object, [machine])
        self.assertEqual(document.data["associations"], {"companies": None})
        self.assertEqual(document.data["display_name"], "lonely")
