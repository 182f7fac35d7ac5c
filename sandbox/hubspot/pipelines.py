"""Pipelines and their stages."""

from ..clock import iso
from .errors import ApiError, bad_request, not_found

KIND = "hubspot/_pipeline"

_DEFAULT_STAGES = (
    ("appointmentscheduled", "Appointment scheduled", "0.2"),
    ("qualifiedtobuy", "Qualified to buy", "0.4"),
    ("presentationscheduled", "Presentation scheduled", "0.6"),
    ("decisionmakerboughtin", "Decision maker bought-in", "0.8"),
    ("contractsent", "Contract sent", "0.9"),
    ("closedwon", "Closed won", "1.0"),
    ("closedlost", "Closed lost", "0.0"),
)


class Pipelines:
    """Pipelines of deals (the only object here that has any)."""

    def __init__(self, store, clock):
        self._store, self._clock = store, clock

    def seed(self):
        """Create the sales pipeline that every account starts with."""
        self.create("deals", {
            "pipelineId": "default", "label": "Sales Pipeline", "displayOrder": 0,
            "stages": [
                {"stageId": stage_id, "label": label, "displayOrder": position, "metadata": {
                    "probability": probability,
                    "isClosed": "true" if probability in ("0.0", "1.0") else "false"}}
                for position, (stage_id, label, probability) in enumerate(_DEFAULT_STAGES)
            ]})

    def list(self, type_name):
        """Return the pipelines of an object type."""
        prefix = type_name + "/"
        return [doc for key, doc in self._store.items(KIND)
                if key.startswith(prefix) and not doc["archived"]]

    def get(self, type_name, pipeline_id):
        """Return a pipeline or raise 404."""
        doc = self._store.get(KIND, f"{type_name}/{pipeline_id}")
        if doc is None or doc["archived"]:
            raise not_found(f"Pipeline {pipeline_id} was not found.")
        return doc

    def stage(self, type_name, stage_id):
        """Return ``(pipeline, stage)`` of a stage id, or (None, None)."""
        for pipeline in self.list(type_name):
            for stage in pipeline["stages"]:
                if stage["id"] == stage_id:
                    return pipeline, stage
        return None, None

    def create(self, type_name, body):
        """Create a pipeline; ids that the caller does not give are numeric."""
        if not body.get("label") or not isinstance(body.get("stages"), list) or not body["stages"]:
            raise bad_request("A pipeline needs a label and stages.")
        pipeline_id = body.get("pipelineId") or self._number()
        if self._store.get(KIND, f"{type_name}/{pipeline_id}"):
            raise ApiError(409, "CONFLICT", f"Pipeline {pipeline_id} already exists.")
        now = iso(self._clock.now())
        return self._store.put(KIND, f"{type_name}/{pipeline_id}", {
            "id": pipeline_id, "label": body["label"], "displayOrder": body.get("displayOrder", 0),
            "archived": False, "createdAt": now, "updatedAt": now,
            "stages": [self._new_stage(stage, now) for stage in body["stages"]]})

    def update(self, type_name, pipeline_id, body):
        """Rename or reorder a pipeline."""
        pipeline = self.get(type_name, pipeline_id)
        changes = {key: body[key] for key in ("label", "displayOrder") if key in body}
        return self._put(type_name, {**pipeline, **changes})

    def create_stage(self, type_name, pipeline_id, body):
        """Add a stage; returns it."""
        pipeline = self.get(type_name, pipeline_id)
        stage = self._new_stage(body, iso(self._clock.now()))
        self._put(type_name, {**pipeline, "stages": pipeline["stages"] + [stage]})
        return stage

    def update_stage(self, type_name, pipeline_id, stage_id, body):
        """Rename a stage or change its metadata; returns it."""
        pipeline = self.get(type_name, pipeline_id)
        stage = self.find_stage(pipeline, stage_id)
        changes = {key: body[key] for key in ("label", "displayOrder") if key in body}
        if "metadata" in body:
            changes["metadata"] = {**stage["metadata"], **_metadata(body["metadata"])}
        new = {**stage, **changes, "updatedAt": iso(self._clock.now())}
        stages = [new if old["id"] == stage_id else old for old in pipeline["stages"]]
        self._put(type_name, {**pipeline, "stages": stages})
        return new

    @staticmethod
    def find_stage(pipeline, stage_id):
        """Return a pipeline's stage or raise 404."""
        for stage in pipeline["stages"]:
            if stage["id"] == stage_id:
                return stage
        raise not_found(f"Stage {stage_id} was not found.")

    def _put(self, type_name, pipeline):
        return self._store.put(KIND, f"{type_name}/{pipeline['id']}", {
            **pipeline, "updatedAt": iso(self._clock.now())})

    def _new_stage(self, body, now):
        if not body.get("label"):
            raise bad_request("A stage needs a label.")
        metadata = _metadata(body.get("metadata") or {})
        if "probability" not in metadata:
            raise bad_request("A deal stage needs metadata.probability.")
        closed = "true" if metadata["probability"] in ("0.0", "1.0") else "false"
        return {
            "id": body.get("stageId") or self._number(), "label": body["label"],
            "displayOrder": body.get("displayOrder", 0), "archived": False,
            "createdAt": now, "updatedAt": now, "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
            "metadata": {"isClosed": closed, **metadata}}

    def _number(self):
        return str(1_040_000_000 + self._store.next_number("hubspot/pipeline"))


def _metadata(raw):
    """Return stage metadata as HubSpot keeps it: text, probability with one decimal."""
    metadata = {name: str(value).lower() if isinstance(value, bool) else str(value)
                for name, value in raw.items()}
    if metadata.get("probability") in ("0", "1"):
        metadata["probability"] += ".0"
    return metadata
