"""Rules under which nothing takes long."""

from earmark.service.jobs.job import Rules

FAST = Rules(
    lease=0.6, beat=0.05, poll=0.05, first_delay=0.05, longest_delay=0.2, busy_delay=0.1, most_attempts=3,
    most_lost=10**6,
)  # fmt: skip
