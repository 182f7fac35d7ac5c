"""Render ``describe`` answers from the schema, in the shape that API v67.0 has."""

from .fields import label_of

_SOAP = {
    "id": "tns:ID", "reference": "tns:ID", "boolean": "xsd:boolean", "currency": "xsd:double",
    "double": "xsd:double", "percent": "xsd:double", "int": "xsd:int", "date": "xsd:date",
    "datetime": "xsd:dateTime", "address": "urn:address"}
_LABELS = {"Id": "{object} ID", "SystemModstamp": "System Modstamp", "IsDeleted": "Deleted"}
_NO_LENGTH = frozenset(
    {"boolean", "currency", "double", "percent", "int", "date", "datetime", "address"})
_NOT_GROUPABLE = frozenset({"currency", "double", "percent", "datetime", "address"})
_NOT_AGGREGATABLE = frozenset({"boolean", "address"})

#: Flags that are the same for every object here.
_OBJECT_FLAGS = {
    "activateable": False, "customSetting": False, "deepCloneable": False,
    "deprecatedAndHidden": False, "hasSubtypes": False, "isInterface": False,
    "isSubtype": False, "queryable": True, "replicateable": True, "retrieveable": True,
    "associateEntityType": None, "associateParentEntity": None}


def describe_global(schema, base):
    """Return the body of ``GET sobjects``; ``base`` is ``/services/data/vXX.0``."""
    return {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": [
        {**_head(sobject), "urls": _urls(sobject, base)}
        for sobject in sorted(schema.objects.values(), key=lambda s: s.name)]}


def describe_object(schema, sobject, base, picklists, instance_url):
    """Return the body of ``GET sobjects/X/describe``.

    :param picklists: function from a field to its values, for picklists whose values
        are records (stages, currencies).
    """
    return {
        **_head(sobject), "actionOverrides": [], "compactLayoutable": True,
        "childRelationships": [
            _child(child, field) for child, field in schema.children_of(sobject.name)],
        "defaultImplementation": None, "extendedBy": None, "extendsInterfaces": None,
        "implementedBy": None, "implementsInterfaces": None, "listviewable": None,
        "lookupLayoutable": None, "namedLayoutInfos": [], "networkScopeFieldName": None,
        "recordTypeInfos": [_master_record_type(sobject, base)], "searchLayoutable": True,
        "sobjectDescribeOption": "FULL",
        "supportedScopes": [{"label": f"All {sobject.plural.lower()}", "name": "everything"},
                            {"label": f"My {sobject.plural.lower()}", "name": "mine"}],
        "fields": [_field(field, sobject, picklists(field)) for field in sobject.fields.values()],
        "urls": {**_urls(sobject, base), **_ui_urls(sobject, instance_url)},
    }


def _head(sobject):
    real = not sobject.name.endswith("Stage") and sobject.createable
    return {
        **_OBJECT_FLAGS, "createable": sobject.createable, "custom": sobject.custom,
        "deletable": sobject.deletable, "feedEnabled": real, "keyPrefix": sobject.prefix,
        "label": sobject.label, "labelPlural": sobject.plural, "layoutable": real,
        "mergeable": sobject.mergeable, "mruEnabled": real, "name": sobject.name,
        "searchable": real, "triggerable": real,
        "undeletable": sobject.deletable and sobject.has_bin, "updateable": sobject.updateable}


def _urls(sobject, base):
    root = f"{base}/sobjects/{sobject.name}"
    urls = {"rowTemplate": f"{root}/{{ID}}", "describe": f"{root}/describe", "sobject": root}
    for name, path in (("compactLayouts", "describe/compactLayouts"), ("listviews", "listviews"),
                       ("approvalLayouts", "describe/approvalLayouts"),
                       ("quickActions", "quickActions"), ("layouts", "describe/layouts"),
                       ("defaultValues", "defaultValues?recordTypeId&fields")):
        urls[name] = f"{root}/{path}"
    return urls


def _ui_urls(sobject, instance_url):
    return {"uiDetailTemplate": f"{instance_url}/{{ID}}", "uiEditTemplate": f"{instance_url}/{{ID}}/e",
            "uiNewRecord": f"{instance_url}/{sobject.prefix}/e"}


def _child(child, field):
    return {
        "cascadeDelete": field.cascade, "childSObject": child.name,
        "deprecatedAndHidden": False, "field": field.name, "junctionIdListNames": [],
        "junctionReferenceTo": [], "relationshipName": field.child_relationship,
        "restrictedDelete": False}


def _master_record_type(sobject, base):
    type_id = "012000000000000AAA"
    return {
        "active": True, "available": True, "defaultRecordTypeMapping": True,
        "developerName": "Master", "master": True, "name": "Master", "recordTypeId": type_id,
        "urls": {"layout": f"{base}/sobjects/{sobject.name}/describe/layouts/{type_id}"}}


def _field(field, sobject, values):
    length = 0 if field.type in _NO_LENGTH else field.length
    is_id = field.type in ("id", "reference")
    return {
        **_rights(field), **_numbers(field),
        "aiPredictionField": False, "autoNumber": field.auto_number,
        "byteLength": length if is_id else length * 3,
        "calculated": field.calculated, "calculatedFormula": None,
        "cascadeDelete": field.cascade, "caseSensitive": False,
        "compoundFieldName": field.compound, "controllerName": None, "custom": field.custom,
        "defaultValue": field.default if field.type == "boolean" else None,
        "defaultValueFormula": None, "dependentPicklist": False, "deprecatedAndHidden": False,
        "displayLocationInDecimal": False, "encrypted": False, "externalId": field.external_id,
        "extraTypeInfo": "plaintextarea" if field.type == "textarea" else None,
        "filteredLookupInfo": None, "formulaTreatNullNumberAsZero": False,
        "highScaleNumber": False, "htmlFormatted": False,
        "idLookup": field.id_lookup or field.external_id, "inlineHelpText": None,
        "label": _LABELS.get(field.name, field.label or label_of(field.name)).format(
            object=sobject.label),
        "length": length, "mask": None, "maskType": None, "name": field.name,
        "nameField": field.name_field, "namePointing": len(field.reference_to) > 1,
        "picklistValues": [_picklist_value(value, field) for value in values],
        "polymorphicForeignKey": len(field.reference_to) > 1,
        "queryByDistance": field.type == "address", "referenceTargetField": None,
        "referenceTo": list(field.reference_to), "relationshipName": field.relationship,
        "relationshipOrder": None, "restrictedDelete": False,
        "restrictedPicklist": field.restricted, "searchPrefilterable": field.type == "reference",
        "soapType": _SOAP.get(field.type, "xsd:string"), "type": field.type,
        "unique": field.unique, "writeRequiresMasterRead": False}


def _rights(field):
    """Return what may be done with a field."""
    return {
        "aggregatable": field.filterable and field.type not in _NOT_AGGREGATABLE,
        "createable": field.createable, "updateable": field.updateable,
        "defaultedOnCreate": field.defaulted, "nillable": field.nillable,
        "filterable": field.filterable, "sortable": field.sortable,
        "groupable": field.filterable and field.type not in _NOT_GROUPABLE,
        "permissionable": field.nillable and field.type != "id"}


def _numbers(field):
    return {"digits": 8 if field.type == "int" else 0, "precision": field.precision,
            "scale": field.scale}


def _picklist_value(value, field):
    return {"active": True, "defaultValue": value == field.default, "label": value,
            "validFor": None, "value": value}
