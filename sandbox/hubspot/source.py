"""Who makes a change: it shows in webhooks and in ``hs_object_source``."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Source:
    """Origin of a change, in the words of HubSpot's webhooks."""

    #: ``CRM_UI`` (a person), ``INTEGRATION`` (an app), ``IMPORT``, ``CALCULATED``…
    change_source: str
    #: ``userId:123`` for people, the app's id for apps.
    source_id: str
    #: Webhooks are sent (bulk generation may be silent).
    notify: bool = True
    #: The version's rule that the admin's validation rules hold for API writes.
    enforce: bool = False

    @property
    def user_id(self):
        """Return the id of the person, None for apps and imports."""
        kind, _colon, number = self.source_id.partition(":")
        return number if kind == "userId" else None


def person(user_id):
    """Return the source of what a person does in HubSpot's own screens."""
    return Source("CRM_UI", f"userId:{user_id}")


#: The first owner, working in HubSpot's own screens.
UI = person(1_000_001)
#: Records made before anybody listens.
SEED = Source("IMPORT", "seed", notify=False)
