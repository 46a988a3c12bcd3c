"""Jobs: work that takes longer than a request may, kept in a table that outlives workers and servers.

The table is the truth, in SQLite or in Redis. A worker takes a job for some seconds (its lease) and has to be heard of
before they are over, else another takes it; wake-ups only save time. Every kind of job can be done again from any
point on: what was heard is in the catalogue, and is not heard twice.
"""

from earmark.service.jobs.managing import Jobs
from earmark.service.jobs.routes import router

__all__ = ["Jobs", "router"]
