"""Which version answers for whom. Pure: the same entity gets the same answer in every process and on every machine."""

from __future__ import annotations

from hashlib import blake2b

from detent.records.route import Arm, Route

BUCKETS = 10_000


def bucket(salt: str, entity: str) -> int:
    """Return the entity's bucket, 0..9999, uniform over entities and independent between salts.

    A cryptographic hash is needed here: under crc32, which is linear, two rollouts with different salts would pick
    correlated entities.
    """
    return (
        int.from_bytes(blake2b(f"{salt}\0{entity}".encode("utf-8", "surrogatepass"), digest_size=8).digest()) % BUCKETS
    )


def choose(route: Route, entity: str) -> Arm:
    """Return the arm that answers for an entity; the route must have arms.

    The last arm (the candidate of a rollout) takes the lowest buckets, so an entity that is in the candidate stays
    there when the candidate's weight grows.
    """
    if len(route.arms) == 1:
        return route.arms[0]
    at, edge = bucket(route.salt, entity), 0
    for arm in reversed(route.arms):
        edge += arm.weight
        if at < edge:
            return arm
    return route.arms[0]


def propensity(arm: Arm) -> float:
    """Return the chance with which the arm was chosen, 0..1."""
    return arm.weight / BUCKETS
