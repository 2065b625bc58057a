"""Which photos train, which evaluate, which wait for the audit: by group, at random."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from al_fashion.types import Split

# From this many groups on, one is held out however small the share.
ENOUGH_GROUPS = 10


def join_groups(memberships: Iterable[Collection[str]]) -> dict[str, str]:
    """Unite groups that share a photo: each group's name to the first name of its union.

    `memberships` holds, for each photo, the groups it appears in. Union-find with path halving.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for names in memberships:
        roots = {root(name) for name in names}
        for other in roots:
            parent[other] = min(roots)
    return {name: root(name) for name in list(parent)}


def name_groups(named: Mapping[str, Collection[str]], known: Mapping[str, str]) -> dict[str, str]:
    """The group of every photo of `named` that is not yet known.

    `named` maps photos to the groups they appear in, `known` earlier photos to their group. A
    photo without a group is one by itself; a group joined to earlier ones takes their name.
    """
    memberships = {
        photo: {*groups, *([known[photo]] if photo in known else [])} or {photo}
        for photo, groups in named.items()
    }
    union = join_groups(memberships.values())
    earlier = union.keys() & set(known.values())
    home = {union[group]: group for group in sorted(earlier, reverse=True)}
    first = {photo: min(memberships[photo]) for photo in named if photo not in known}
    return {
        photo: group if group in earlier else home.get(union[group], union[group])
        for photo, group in first.items()
    }


def assign_splits(
    groups: Mapping[str, int],
    existing: Mapping[Split, int],
    heldout: float,
    audit: float,
    rng: np.random.Generator,
) -> dict[str, Split]:
    """The split of every new group, drawn by whole groups in random order.

    `groups` maps new groups to their numbers of photos, `existing` splits to the photos they
    hold already; `heldout` and `audit` are shares of all photos together. A group that would
    cross its split's share is taken only where that comes closer to the share.
    """
    names = sorted(groups)
    order = [names[place] for place in rng.permutation(len(names))]
    total = sum(groups.values()) + sum(existing.values())
    held = _fill(order, groups, heldout * total - existing.get("heldout", 0))
    if not held and not existing.get("heldout", 0) and len(order) >= ENOUGH_GROUPS:
        held = {min(order, key=groups.__getitem__)}
    rest = [name for name in order if name not in held]
    audited = _fill(rest, groups, audit * total - existing.get("audit", 0))
    splits: dict[str, Split] = dict.fromkeys(order, "pool")
    return splits | dict.fromkeys(held, "heldout") | dict.fromkeys(audited, "audit")


def _fill(order: Sequence[str], groups: Mapping[str, int], wanted: float) -> set[str]:
    """The groups that bring the number of photos closest to `wanted`, first come first served."""
    taken = set()
    for name in order:
        if abs(wanted - groups[name]) < wanted:
            taken.add(name)
            wanted -= groups[name]
    return taken
