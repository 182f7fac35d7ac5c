"""HubSpot's own SDKs drive the sandbox: the legacy client (v3/v4 paths) and the dated one."""

import datetime

import hubspot
import pytest
from hubspot.crm.associations.v4 import BatchInputPublicFetchAssociationsBatchRequest
from hubspot.crm.companies import (
    BatchInputSimplePublicObjectBatchInputUpsert,
    BatchReadInputSimplePublicObjectId,
    PublicObjectSearchRequest,
    SimplePublicObjectInput,
    SimplePublicObjectInputForCreate,
)
from hubspot.crm.contacts.exceptions import ApiException
from hubspot.crm.properties import PropertyCreate

from .hubspot_driver import HubSpotDriver


@pytest.fixture
def hs(fresh_sandbox):
    driver = HubSpotDriver(fresh_sandbox)
    driver.settings(rate_limits=False)
    return driver


@pytest.fixture
def legacy(hs):
    """The client of hubspot-api-client; its host is set on each configuration."""
    client = hubspot.Client.create(access_token=hs.known["private_app_token"])
    client.config["host"] = hs.base
    return client


def test_legacy_client_works_on_companies(hs, legacy):
    api = legacy.crm.companies
    made = api.basic_api.create(SimplePublicObjectInputForCreate(properties={"name": "By SDK"}, associations=[]))
    assert isinstance(made.created_at, datetime.datetime)
    api.basic_api.update(made.id, SimplePublicObjectInput(properties={"city": "Bonn"}))
    read = api.batch_api.read(BatchReadInputSimplePublicObjectId(
        properties=["name", "city"], properties_with_history=[], inputs=[{"id": made.id}]))
    assert read.results[0].properties["city"] == "Bonn"
    found = api.search_api.do_search(PublicObjectSearchRequest(
        filter_groups=[{"filters": [{"propertyName": "city", "operator": "EQ", "value": "Bonn"}]}],
        properties=["name"], limit=5))
    assert [r.id for r in found.results] == [made.id]
    api.basic_api.archive(made.id)
    with pytest.raises(hubspot.crm.companies.exceptions.ApiException) as caught:
        api.basic_api.get_by_id(made.id)
    assert caught.value.status == 404


def test_legacy_client_pages_all_contacts_and_sees_conflicts(legacy):
    assert len(legacy.crm.contacts.get_all()) == 40
    row = SimplePublicObjectInputForCreate(properties={"email": "sdk@example.com"}, associations=[])
    legacy.crm.contacts.basic_api.create(row)
    with pytest.raises(ApiException) as caught:
        legacy.crm.contacts.basic_api.create(row)
    assert caught.value.status == 409


def test_legacy_client_upserts_and_reads_associations(hs, legacy):
    legacy.crm.properties.core_api.create("companies", PropertyCreate(
        name="odoo_uid", label="Odoo id", type="string", field_type="text",
        group_name="companyinformation", has_unique_value=True))
    body = BatchInputSimplePublicObjectBatchInputUpsert(inputs=[
        {"id": "1", "idProperty": "odoo_uid", "properties": {"name": "U"}}])
    assert legacy.crm.companies.batch_api.upsert(body).results[0].new is True
    assert legacy.crm.companies.batch_api.upsert(body).results[0].new is False
    demo = hs.admin("GET", "demo")
    answer = legacy.crm.associations.v4.batch_api.get_page(
        "deals", "companies", BatchInputPublicFetchAssociationsBatchRequest(inputs=[{"id": demo["deal_id"]}]))
    assert str(answer.results[0].to[0].to_object_id) == demo["company_id"]


def test_legacy_client_reads_pipelines_owners_and_deals(hs, legacy):
    stages = legacy.crm.pipelines.pipeline_stages_api.get_all("deals", "default").results
    assert {s.id: s.metadata for s in stages}["closedwon"] == {"isClosed": "true", "probability": "1.0"}
    assert [o.id for o in legacy.crm.owners.owners_api.get_page().results] == ["71000001", "71000002"]
    deal = legacy.crm.deals.basic_api.get_by_id(hs.admin("GET", "demo")["deal_id"], associations=["line_items"])
    assert len(deal.associations["line items"].results) == 3


def test_dated_sdk_works(hs):
    hubspot_sdk = pytest.importorskip("hubspot_sdk", reason="hubspot-sdk is not installed")
    client = hubspot_sdk.HubSpot(
        access_token=hs.known["private_app_token"], base_url=hs.base, max_retries=0,
        _strict_response_validation=True)
    made = client.crm.objects.companies.create(associations=[], properties={"name": "By SDK"})
    found = client.crm.objects.companies.batch.get(
        inputs=[{"id": made.id}], properties=["name"], properties_with_history=[])
    assert found.results[0].properties["name"] == "By SDK"
    deal = client.crm.objects.deals.get(hs.admin("GET", "demo")["deal_id"], properties=["dealstage"])
    assert deal.properties["dealstage"] == "contractsent"
    with pytest.raises(hubspot_sdk.NotFoundError):
        client.crm.objects.companies.get("1")
