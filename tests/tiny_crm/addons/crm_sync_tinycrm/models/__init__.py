from . import sync_connection
from . import sync_connector_tinycrm
