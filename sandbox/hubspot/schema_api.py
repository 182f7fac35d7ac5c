"""Endpoints of the data model: properties, groups, pipelines, custom objects, owners."""

from aiohttp import web

from ..clock import iso
from .api import endpoint, schema_scopes
from .const import BATCH_LIMIT
from .errors import ApiError, bad_request, not_found

_DATED = "{version:\\d{4}-\\d{2}}"


def _owner_scopes(_portal, _match):
    """Owners have a scope of their own."""
    return ("crm.objects.owners.read",)


class SchemaApi:
    """Handlers ``call -> (status, body)``."""

    def __init__(self, portal):
        self.portal, self.schema, self.pipelines = portal, portal.schema, portal.pipelines

    def routes(self):
        """Return the routes under dated and legacy paths."""
        read, write = schema_scopes("read"), schema_scopes("write")
        properties = [
            ("GET", "/{type}", self.list, read), ("POST", "/{type}", self.create, write),
            ("GET", "/{type}/groups", self.groups, read),
            ("POST", "/{type}/groups", self.create_group, write),
            ("GET", "/{type}/groups/{name}", self.group, read),
            ("POST", "/{type}/batch/create", self.batch_create, write),
            ("POST", "/{type}/batch/read", self.batch_read, read),
            ("POST", "/{type}/batch/archive", self.batch_archive, write),
            ("GET", "/{type}/{name}", self.get, read),
            ("PATCH", "/{type}/{name}", self.update, write),
            ("DELETE", "/{type}/{name}", self.archive, write),
        ]
        pipelines = [
            ("GET", "/{type}", self.list_pipelines, read),
            ("POST", "/{type}", self.create_pipeline, write),
            ("GET", "/{type}/{id}", self.pipeline, read),
            ("PATCH", "/{type}/{id}", self.update_pipeline, write),
            ("GET", "/{type}/{id}/stages", self.stages, read),
            ("POST", "/{type}/{id}/stages", self.create_stage, write),
            ("GET", "/{type}/{id}/stages/{stage}", self.stage, read),
            ("PATCH", "/{type}/{id}/stages/{stage}", self.update_stage, write),
        ]
        people = _owner_scopes
        owners = [("GET", "", self.owners, people), ("GET", "/", self.owners, people),
                  ("GET", "/{id}", self.owner, people)]
        schemas = [
            ("GET", "", self.custom_types, None), ("POST", "", self.create_type, None),
            ("GET", "/{type}", self.custom_type, None)]
        families = (
            ((f"/crm/properties/{_DATED}", "/crm/{version:v3}/properties"), properties),
            ((f"/crm/pipelines/{_DATED}", "/crm/{version:v3}/pipelines"), pipelines),
            ((f"/crm/owners/{_DATED}", "/crm/{version:v3}/owners"), owners),
            ((f"/crm-object-schemas/{_DATED}/schemas", "/crm-object-schemas/{version:v3}/schemas"), schemas),
        )
        return [
            web.route(method, base + path, endpoint(self.portal, function, scopes))
            for bases, table in families for base in bases for method, path, function, scopes in table
        ]

    def _type(self, call):
        return self.schema.type(call.match["type"])

    # -- properties ---------------------------------------------------------

    def list(self, call):
        """Return the property definitions of a type."""
        return 200, {"results": self.schema.definitions(self._type(call), call.flag("archived"))}

    def get(self, call):
        """Return one definition."""
        return 200, self.schema.required_definition(self._type(call), call.match["name"])

    def create(self, call):
        """Create a custom property."""
        return 201, self.schema.create(self._type(call), call.json())

    def update(self, call):
        """Change a custom property."""
        return 200, self.schema.update(self._type(call), call.match["name"], call.json())

    def archive(self, call):
        """Archive a custom property."""
        self.schema.archive(self._type(call), call.match["name"])
        return 204, None

    def batch_create(self, call):
        """Create many properties; those that cannot be made are errors of a 207."""
        object_type, results, errors = self._type(call), [], []
        for body in call.inputs(BATCH_LIMIT):
            try:
                results.append(self.schema.create(object_type, body))
            except ApiError as error:
                errors.append({**error.batch_entry(), "context": {"name": [str(body.get("name"))]}})
        return self._answer(201, results, errors)

    def batch_read(self, call):
        """Return many definitions."""
        object_type, results, errors = self._type(call), [], []
        for entry in call.inputs(BATCH_LIMIT):
            try:
                results.append(self.schema.required_definition(object_type, str(entry.get("name"))))
            except ApiError as error:
                errors.append(error.batch_entry())
        return self._answer(200, results, errors)

    def batch_archive(self, call):
        """Archive many custom properties."""
        object_type = self._type(call)
        for entry in call.inputs(BATCH_LIMIT):
            self.schema.archive(object_type, str(entry.get("name")))
        return 204, None

    def _answer(self, status, results, errors):
        now = iso(self.portal.clock.now())
        body = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
        if not errors:
            return status, body
        return 207, {**body, "numErrors": len(errors), "errors": errors}

    def groups(self, call):
        """Return the property groups of a type."""
        return 200, {"results": self.schema.groups(self._type(call))}

    def group(self, call):
        """Return one group."""
        return 200, self.schema.group(self._type(call), call.match["name"])

    def create_group(self, call):
        """Create a group."""
        return 201, self.schema.create_group(self._type(call), call.json())

    # -- pipelines ----------------------------------------------------------

    def list_pipelines(self, call):
        """Return the pipelines of a type."""
        return 200, {"results": self.pipelines.list(self._type(call).name)}

    def pipeline(self, call):
        """Return one pipeline."""
        return 200, self.pipelines.get(self._type(call).name, call.match["id"])

    def create_pipeline(self, call):
        """Create a pipeline."""
        return 201, self.pipelines.create(self._type(call).name, call.json())

    def update_pipeline(self, call):
        """Rename or reorder a pipeline."""
        return 200, self.pipelines.update(self._type(call).name, call.match["id"], call.json())

    def stages(self, call):
        """Return a pipeline's stages."""
        return 200, {"results": self.pipelines.get(self._type(call).name, call.match["id"])["stages"]}

    def stage(self, call):
        """Return one stage."""
        pipeline = self.pipelines.get(self._type(call).name, call.match["id"])
        return 200, self.pipelines.find_stage(pipeline, call.match["stage"])

    def create_stage(self, call):
        """Add a stage."""
        return 201, self.pipelines.create_stage(self._type(call).name, call.match["id"], call.json())

    def update_stage(self, call):
        """Change a stage."""
        return 200, self.pipelines.update_stage(
            self._type(call).name, call.match["id"], call.match["stage"], call.json())

    # -- custom objects -------------------------------------------------------

    def custom_types(self, call):
        """Return all custom object schemas."""
        return 200, {"results": [
            self.schema.describe_type(object_type) for object_type in self.schema.custom_types()]}

    def custom_type(self, call):
        """Return one custom object schema."""
        return 200, self.schema.describe_type(self._type(call))

    def create_type(self, call):
        """Create a custom object type."""
        with self.portal.store.atomic():
            object_type = self.schema.create_type(call.json())
        self.portal.records.prepare_type(object_type)
        return 201, self.schema.describe_type(object_type)

    # -- owners ---------------------------------------------------------------

    def owners(self, call):
        """Return a page of owners."""
        owners = self.portal.directory.owners(call.flag("archived"), call.query.get("email"))
        try:
            after = int(call.query.get("after") or 0)
        except ValueError:
            raise bad_request("after is not a valid paging token.") from None
        limit = call.limit(500, 100)
        found = [owner for owner in owners if int(owner["id"]) > after]
        body = {"results": found[:limit]}
        if len(found) > limit:
            body["paging"] = {"next": {"after": found[limit - 1]["id"]}}
        return 200, body

    def owner(self, call):
        """Return one owner, by id or by user id."""
        by_user = call.query.get("idProperty") == "userId"
        for owner in self.portal.directory.owners(call.flag("archived")):
            if str(owner["userId" if by_user else "id"]) == call.match["id"]:
                return 200, owner
        raise not_found()
