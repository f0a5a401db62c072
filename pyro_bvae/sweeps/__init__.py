"""Many tasks at a time, in processes of this machine or of a cluster.

`work_through` hands tasks to a crew, and yields what becomes of them. A crew is `Here`, or a `Cluster` of dask workers.
"""

from __future__ import annotations

from .cluster import Cluster
from .here import Here
from .jobs import Crew, Job, LostWorkerError, NotAwaited
from .progress import Reporting, StepsTaken, steps_taken
from .working import work_through

__all__ = [
    "Cluster",
    "Crew",
    "Here",
    "Job",
    "LostWorkerError",
    "NotAwaited",
    "Reporting",
    "StepsTaken",
    "steps_taken",
    "work_through",
]
