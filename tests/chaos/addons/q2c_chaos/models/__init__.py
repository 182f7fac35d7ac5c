from . import sync_handler_inbound
