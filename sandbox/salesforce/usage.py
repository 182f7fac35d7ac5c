"""API call allocation: a rolling day, counted by the hour, shared by the whole org."""

from .errors import SalesforceError

_HOUR = 3600


class Usage:
    """Counts calls; tells and enforces the allocation. Kept in memory."""

    def __init__(self, org):
        self.org = org
        self._hours = {}

    def count(self):
        """Count one call.

        :raises SalesforceError: REQUEST_LIMIT_EXCEEDED (403) when the allocation is used up.
        """
        if self.used >= self.maximum:
            raise SalesforceError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        hour = int(self.org.clock.time()) // _HOUR
        self._hours[hour] = self._hours.get(hour, 0) + 1

    @property
    def maximum(self):
        """Return the allocation of calls in 24 hours."""
        return self.org.schema.settings["daily_api_requests"]

    @property
    def used(self):
        """Return the calls of the last 24 hours."""
        oldest = int(self.org.clock.time()) // _HOUR - 24
        self._hours = {hour: n for hour, n in self._hours.items() if hour > oldest}
        return sum(self._hours.values())

    def set_used(self, number):
        """Pretend that this many calls were made (admin API)."""
        self._hours = {int(self.org.clock.time()) // _HOUR: number}

    def header(self):
        """Return the value of ``Sforce-Limit-Info``."""
        return f"api-usage={self.used}/{self.maximum}"

    def limits(self):
        """Return the body of ``GET limits`` (the entries that a client of ours may read)."""
        def entry(maximum, remaining=None):
            return {"Max": maximum, "Remaining": maximum if remaining is None else remaining}
        return {
            "DailyApiRequests": entry(self.maximum, max(0, self.maximum - self.used)),
            "DailyAsyncApexExecutions": entry(250000), "DailyBulkApiBatches": entry(15000),
            "DailyBulkV2QueryJobs": entry(10000), "DailyWorkflowEmails": entry(1000),
            "DataStorageMB": entry(1024), "FileStorageMB": entry(1024),
            "HourlyTimeBasedWorkflow": entry(1000), "SingleEmail": entry(5000)}
