"""Settings of the portal (HubSpot account) that the admin API may change."""

KIND, _ID = "hubspot/_settings", "portal"

DEFAULTS = {
    "portal_id": 62515000,
    #: STANDARD (production), SANDBOX, DEVELOPER_TEST or APP_DEVELOPER.
    "account_type": "SANDBOX",
    "time_zone": "Europe/Berlin",
    "company_currency": "USD",
    "additional_currencies": ["CHF", "EUR", "GBP"],
    #: Company currency per unit of a currency, decimal text.
    "exchange_rates": {"EUR": "1.0850", "GBP": "1.2700", "CHF": "1.1300"},
    #: Seconds until a write shows in search results.
    "search_lag": 0,
    #: False lets any rate of calls pass (benchmarks).
    "rate_limits": True,
    #: Calls per 10 s of a private app (Pro/Enterprise) and of an OAuth app.
    "private_app_limit": 190,
    "oauth_app_limit": 110,
    "interval_ms": 10_000,
    "search_per_second": 5,
    "daily_limit": 650_000,
    #: True makes each refresh return a new refresh token and end the old one.
    "rotate_refresh_tokens": False,
    #: Seconds that an access token lives.
    "access_token_seconds": 1800,
    #: Targets per record and page of an associations batch read.
    "association_page": 500,
    #: Rules of the portal's admin: ``{object, when: {property: value}, required: [property]}``;
    #: held against API writes from version 2026-09 on.
    "validation_rules": [],
}


class Settings:
    """Reads and writes the settings document."""

    def __init__(self, store, options=None):
        self._store = store
        self._options = {
            name: _typed(DEFAULTS[name], text)
            for name, text in (options or {}).items() if name in DEFAULTS
        }

    def all(self):
        """Return every setting: defaults, command-line options, then changes."""
        return {**DEFAULTS, **self._options, **(self._store.get(KIND, _ID) or {})}

    def __getitem__(self, name):
        changed = self._store.get(KIND, _ID) or {}
        if name in changed:
            return changed[name]
        return self._options.get(name, DEFAULTS[name])

    def change(self, changes):
        """Change some settings; raises ``KeyError`` on an unknown one."""
        for name in changes:
            DEFAULTS[name]
        self._store.put(KIND, _ID, {**(self._store.get(KIND, _ID) or {}), **changes})
        return self.all()

    @property
    def currencies(self):
        """Return the codes of all currencies of the portal."""
        return {self["company_currency"], *self["additional_currencies"]}


def _typed(default, text):
    """Return a command-line text in the type of the default."""
    if isinstance(default, bool):
        return text.lower() in ("1", "true", "on", "yes")
    if isinstance(default, int):
        return int(text)
    if isinstance(default, list):
        return [part for part in text.split(",") if part]
    return text
