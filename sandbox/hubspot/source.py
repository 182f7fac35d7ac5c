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


#: A person working in HubSpot's own screens.
UI = Source("CRM_UI", "userId:71000001")
#: Records made before anybody listens.
SEED = Source("IMPORT", "seed", notify=False)
