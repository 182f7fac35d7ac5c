"""Salesforce's error answers: a JSON array of ``{message, errorCode, fields?}``."""


class SalesforceError(Exception):
    """An error answer of the REST API.

    :param status: HTTP status when it ends a whole request.
    :param code: ``errorCode`` (``statusCode`` inside collections).
    :param fields: field names concerned, or None to leave the key out.
    """

    def __init__(self, status, code, message, fields=None):
        super().__init__(f"{code}: {message}")
        self.status, self.code, self.message, self.fields = status, code, message, fields

    def body(self):
        """Return the REST body."""
        entry = {"message": self.message, "errorCode": self.code}
        if self.fields is not None:
            entry["fields"] = list(self.fields)
        return [entry]

    def row(self):
        """Return the entry of ``errors[]`` inside a collection's result."""
        return {
            "statusCode": self.code, "message": self.message, "fields": list(self.fields or [])}


def not_found(message="The requested resource does not exist"):
    """The URL, object or record does not exist (recorded wording)."""
    return SalesforceError(404, "NOT_FOUND", message)


def session_invalid():
    """The access token is missing, unknown, expired or revoked."""
    return SalesforceError(401, "INVALID_SESSION_ID", "Session expired or invalid")


def invalid_field(message, fields=None):
    """A field that does not exist, or may not be used that way."""
    return SalesforceError(400, "INVALID_FIELD", message, fields)


def malformed_query(message):
    """SOQL that cannot be parsed."""
    return SalesforceError(400, "MALFORMED_QUERY", message)


def invalid_type(message):
    """An object that does not exist in this org."""
    return SalesforceError(400, "INVALID_TYPE", message)


def required_missing(fields):
    """Fields without which the record cannot be saved."""
    return SalesforceError(
        400, "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(fields)}]", fields)


def integrity(field, reason):
    """A value that contradicts a related record."""
    return SalesforceError(
        400, "FIELD_INTEGRITY_EXCEPTION", f"field integrity exception: {field} ({reason})", [field])


def cross_reference(message="invalid cross reference id", fields=()):
    """A reference to a record that does not exist or cannot be seen."""
    return SalesforceError(400, "INVALID_CROSS_REFERENCE_KEY", message, fields)


def entity_deleted():
    """The record is in the recycle bin."""
    return SalesforceError(404, "ENTITY_IS_DELETED", "entity is deleted")
